// What channels_redis 4 sends, word for word: its scripts, its names, its times. A test records
// both and compares them (tests/e2e/test_chorale_bench_sequences.py), so that a new release which
// changes something is noticed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/key_choice.h"

namespace chorale::bench::channels_redis {

constexpr int kExpiry = 60;           // seconds; of messages
constexpr int kGroupExpiry = 86'400;  // of memberships
constexpr int kCapacity = 100;        // messages that wait in a channel
constexpr int kReceiveTimeout = 5;    // seconds for which a receiver asks at a time

// Moves what a receiver had popped and not finished back into the queue.
extern const std::string_view kRecoveryScript;
// Puts a message into the queues of all processes that have room.
extern const std::string_view kGroupSendScript;

// A time as Python writes a float of seconds. Valid as long as the object.
class Time {
 public:
  explicit Time(double seconds);
  static Time Now();

  std::string_view text() const { return {text_, size_}; }
  // The whole seconds of it.
  int64_t whole_seconds() const { return static_cast<int64_t>(seconds_); }

 private:
  static constexpr size_t kSpace = 350;  // of any double, if it is no time at all

  double seconds_;
  char text_[kSpace + 2];
  size_t size_;
};

// As many random hexadecimal digits as a uuid4 has.
[[nodiscard]] std::string Hex(Random& random);

// A process with channels of its own.
struct Process {
  Process(Random& random, size_t channels);

  std::string mailbox;                // specific.<hex>!
  std::string queue;                  // the key of its messages
  std::string backup;                 // and of the one that it is about to take
  std::vector<std::string> channels;  // specific.<hex>!<hex>
};

[[nodiscard]] std::string GroupKey(std::string_view group);      // of the core layer
[[nodiscard]] std::string GroupChannel(std::string_view group);  // of the pub/sub layer
[[nodiscard]] std::string PubSubChannel(Random& random);

}  // namespace chorale::bench::channels_redis
