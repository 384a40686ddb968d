// How long to wait before the next attempt to connect: twice as long each time up to a longest
// delay, and each time at random between half of that and all of it, because many processes lose
// the same broker at the same time. One connection's, one thread's.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace chorale::client {

class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration first, Duration longest) : first_(first), longest_(longest), next_(first) {}

  [[nodiscard]] Duration Next(uint64_t random) {
    const int64_t whole = std::max<int64_t>(next_.count(), 1);
    next_ = std::min(next_ * 2, longest_);
    const int64_t half = whole / 2;
    return Duration(half + static_cast<int64_t>(random % static_cast<uint64_t>(whole - half + 1)));
  }

  void Reset() { next_ = first_; }

 private:
  const Duration first_;
  const Duration longest_;
  Duration next_;
};

}  // namespace chorale::client
