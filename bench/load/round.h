// A stretch of load: all loops work on it together, begin operations until its time or its number
// of operations is over, and end when every operation has ended. Thread-safe.

#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "bench/load/clock.h"

namespace chorale::bench {

class Round {
 public:
  // How long after its end the server may take for the operations under way.
  static constexpr int64_t kPatience = 10 * kSecond;
  static constexpr int64_t kAnyNumber = int64_t{1} << 62;

  struct Plan {
    int64_t begin;       // Now()
    int64_t end;         // no operation begins from here on
    int64_t operations;  // at most
    double rate;         // of all connections together; 0: a closed loop
    bool measured;       // what is not measured is warm-up
  };

  // `wake` makes every loop look at over().
  Round(const Plan& plan, int drivers, std::function<void()> wake)
      : plan(plan), left_(plan.operations), active_(drivers), wake_(std::move(wake)) {}

  const Plan plan;

  // Allows up to `wanted` operations to begin.
  int64_t Take(int64_t wanted) {
    const int64_t left = left_.fetch_sub(wanted, std::memory_order_relaxed);
    return left >= wanted ? wanted : left < 0 ? 0 : left;
  }
  bool exhausted() const { return left_.load(std::memory_order_relaxed) <= 0; }

  // A driver begins no more, and all that it has begun has ended.
  void DriverDone() {
    if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) End();
  }

  void Fail(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (status_.ok()) status_ = status;
    }
    End();
  }
  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

  bool over() const { return over_.load(std::memory_order_acquire); }
  // Waits for that so long; whether it is.
  bool WaitUntilOver(absl::Duration time) const {
    return notification_.WaitForNotificationWithTimeout(time);
  }
  // When it was over. Valid then.
  int64_t ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  void End() {
    if (ending_.exchange(true)) return;
    ended_.store(Now(), std::memory_order_relaxed);
    over_.store(true, std::memory_order_release);
    wake_();
    notification_.Notify();
  }

  std::atomic<int64_t> left_;
  std::atomic<int> active_;
  std::atomic<int64_t> ended_ = 0;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> over_ = false;
  absl::Notification notification_;
  const std::function<void()> wake_;
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace chorale::bench
