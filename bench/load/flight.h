// The operations of one connection between their begin and their end, and from when on each one's
// latency counts. Knows no sockets and reads no clock. One thread's.
//
// In a closed loop a batch of `depth` operations begins when the one before has ended. In an open
// loop each operation has a time at which it is to begin, whatever became of those before it. Where
// the connection has no room for it then, because the server is slow, it begins late, and its
// latency counts from the time at which it should have begun: otherwise a server that stops for a
// second would be charged with one slow operation instead of all those that users would have tried
// meanwhile (what is called coordinated omission).

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace chorale::bench {

class Flight {
 public:
  explicit Flight(size_t depth)
      : depth_(depth), intended_(std::bit_ceil(depth)), mask_(intended_.size() - 1) {}

  void StartClosed() {
    interval_ = 0;
    begun_ = finished_ = 0;
  }
  // The operations are due at `first` and every `interval` nanoseconds from there on.
  void StartOpen(int64_t first, double interval) {
    first_ = first;
    interval_ = interval;
    begun_ = finished_ = 0;
  }

  size_t in_flight() const { return static_cast<size_t>(begun_ - finished_); }

  // How many operations may begin now.
  size_t Startable(int64_t now) const {
    if (interval_ == 0) return in_flight() == 0 ? depth_ : 0;
    return std::min(depth_ - in_flight(), static_cast<size_t>(Due(now)));
  }

  // Those that should have begun and have not. None in a closed loop.
  int64_t Due(int64_t now) const {
    if (interval_ == 0 || now < first_) return 0;
    const auto due = static_cast<int64_t>(static_cast<double>(now - first_) / interval_) + 1;
    return std::max<int64_t>(due - begun_, 0);
  }

  // Begins one of those; the time from which its latency counts.
  int64_t Begin(int64_t now) {
    const int64_t intended =
        interval_ == 0 ? now
                       : first_ + static_cast<int64_t>(static_cast<double>(begun_) * interval_);
    intended_[static_cast<size_t>(begun_++) & mask_] = intended;
    return intended;
  }

  // Ends the oldest one; the time from which its latency counts.
  int64_t Finish() { return intended_[static_cast<size_t>(finished_++) & mask_]; }

 private:
  const size_t depth_;
  std::vector<int64_t> intended_;  // a ring
  const size_t mask_;
  int64_t first_ = 0;
  double interval_ = 0;  // 0: a closed loop
  int64_t begun_ = 0;
  int64_t finished_ = 0;
};

}  // namespace chorale::bench
