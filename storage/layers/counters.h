// What LAYER.STATS shows of a layer's traffic. Any thread.

#pragma once

#include <atomic>
#include <cstdint>

namespace chorale {

struct LayerCounters {
  using Count = std::atomic<uint64_t>;
  Count sent = 0;            // by CHANNEL.SEND
  Count group_sends = 0;     // GROUP.SEND commands
  Count group_messages = 0;  // channels that they reached
  Count received = 0;        // by CHANNEL.RECEIVE, and consumed from mailboxes
  Count full = 0;            // CHANNEL.SENDs refused for capacity
  Count group_full = 0;      // channels that GROUP.SENDs left out for capacity
  Count expired = 0;         // messages that nobody received in time
  Count resumed = 0;         // MAILBOX.OPENs that went on where the owner had stopped
  Count reset = 0;           // epochs that ended with events their owner never got
  Count expired_members = 0;
};

inline void Add(LayerCounters::Count& count, uint64_t n = 1) {
  count.fetch_add(n, std::memory_order_relaxed);
}

}  // namespace chorale
