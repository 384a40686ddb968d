// A condition variable for absl::Mutex that waits by the monotonic clock. absl::CondVar waits by
// the time of day, and so for an hour too long if that is put back by an hour.

#pragma once

#include <chrono>
#include <condition_variable>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace chorale {

class SteadyCondition {
 public:
  using Clock = std::chrono::steady_clock;

  void Signal() { condition_.notify_one(); }
  // Both may return early.
  void Wait(absl::Mutex* mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Lockable lockable{mutex};
    condition_.wait(lockable);
  }
  void WaitUntil(absl::Mutex* mutex, Clock::time_point deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Lockable lockable{mutex};
    condition_.wait_until(lockable, deadline);
  }

 private:
  struct Lockable {
    absl::Mutex* mutex;
    void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex->Lock(); }
    void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex->Unlock(); }
  };
  std::condition_variable_any condition_;
};

}  // namespace chorale
