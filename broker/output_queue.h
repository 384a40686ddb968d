// What waits to be sent to one client: bytes of its own and frames shared with other clients, in
// order. One connection's, one thread's.

#pragma once

#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "broker/frame.h"

namespace chorale {

class OutputQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }

  void Append(std::string_view bytes);
  // A small frame is copied, which is cheaper than a scattered write; a large one is shared.
  void Append(const Frame& frame);

  // The front of the queue as buffers for one writev; at most kMaxBuffers of them.
  static constexpr size_t kMaxBuffers = 64;
  // They stay valid until Consume, whatever is appended meanwhile.
  void Gather(std::vector<boost::asio::const_buffer>& buffers);
  // Ends a write: drops `bytes` from the front, which were sent.
  void Consume(size_t bytes);
  void Clear();

 private:
  struct Chunk {
    std::string own;
    Frame frame;
    std::string_view view() const { return frame ? std::string_view(*frame) : own; }
  };

  // A list, because an empty std::deque takes half a kilobyte and most clients' queues are empty.
  std::list<Chunk> chunks_;
  size_t front_offset_ = 0;  // bytes of the first chunk that were sent
  size_t bytes_ = 0;
  size_t in_flight_ = 0;  // chunks that a write is sending
};

}  // namespace chorale
