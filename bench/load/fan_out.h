// The messages of one sender that are under way to many receivers, on any threads: how many may
// begin, and when each has reached all. Arrived is any thread's, everything else the sender's.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/load/loop.h"
#include "bench/load/workloads/message.h"

namespace chorale::bench {

class FanOut {
 public:
  enum class Pace : uint8_t {
    kBatches,  // the next messages when all of a window have reached all
    kSliding,  // the next message when any has
  };

  FanOut(Loop& sender_loop, uint32_t sender, size_t window, Pace pace, int receivers);

  // How many messages may begin now.
  size_t Room();
  bool Idle() const { return under_way_.load(std::memory_order_acquire) == 0; }
  // A message goes out to all receivers.
  Stamp Begin(int64_t intended);
  // The server has replied to the oldest message that it had not replied to: so many receivers will
  // not get it.
  void Replied(int receivers_left_out);
  int receivers() const { return receivers_; }

  // A receiver has got a message with that stamp. False if the stamp is none of this sender's.
  bool Arrived(const Stamp& stamp);

 private:
  void CountDown(std::atomic<int>& slot, int receivers);

  Loop& sender_loop_;
  const uint32_t sender_;
  const Pace pace_;
  const int receivers_;
  std::vector<std::atomic<int>> missing_;  // by slot: receivers that a message has not reached
  size_t begun_ = 0;                       // of this batch
  size_t last_ = 0;                        // the slot of the latest message
  std::vector<size_t> unreplied_;          // a ring of slots, in the order of the messages
  size_t sent_ = 0;
  size_t replied_ = 0;
  std::atomic<size_t> under_way_ = 0;
};

// A receiver's side: counts a delivery, in the receiver's loop, if the message has a stamp at that
// place. False if it has none.
bool Deliver(Loop& loop, std::vector<std::unique_ptr<FanOut>>& senders, std::string_view message,
             size_t stamp_at);

}  // namespace chorale::bench
