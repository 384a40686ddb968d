// What waits to be sent to one client: bytes of its own and frames shared with other clients, in
// order. One connection's, one thread's.

#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/frame.h"

namespace chorale {

class OutputQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }

  // Holds what is appended from here on back until that round of the journal is done. Rounds do not
  // descend.
  void HoldUntil(uint64_t round);
  // Lets go of what was held back for rounds up to `done`. True if more is held back.
  bool Release(uint64_t done);
  bool holding() const { return !holds_.empty(); }
  // Bytes at the front that may be sent.
  size_t sendable() const { return holds_.empty() ? bytes_ : holds_.front().begin - sent_; }

  void Append(std::string_view bytes);
  // A large frame is shared, and one that has nothing before it. Else it is copied, which is
  // cheaper than a scattered write.
  void Append(const Frame& frame);

  // What may be sent, as buffers for one writev; returns how many. They are valid until the queue
  // changes.
  static constexpr size_t kMaxBuffers = 64;
  size_t Gather(std::array<iovec, kMaxBuffers>& buffers) const;
  // Drops `bytes` from the front, which were sent.
  void Consume(size_t bytes);
  void Clear();

 private:
  struct Chunk {
    std::string own;
    Frame frame;
    std::string_view view() const { return frame ? std::string_view(*frame) : own; }
  };

  // A vector, because an empty std::deque takes half a kilobyte and most clients' queues are empty.
  // Emptied when the last chunk is sent; the room of a few is kept.
  std::vector<Chunk> chunks_;
  size_t first_ = 0;         // chunks before it were sent
  size_t front_offset_ = 0;  // bytes of the first chunk that were sent
  size_t bytes_ = 0;
  uint64_t sent_ = 0;  // bytes, in all
  struct Hold {
    uint64_t round;
    uint64_t begin;  // in bytes, as sent_ counts them
  };
  std::vector<Hold> holds_;
};

}  // namespace chorale
