// The Lua script that runs now, if any: there is at most one, because it holds every shard. SCRIPT
// KILL reaches it through this. Thread-safe.

#pragma once

#include <atomic>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace chorale {

class RunningScript {
 public:
  enum class Kill { kDone, kNothingRuns, kHasWritten };

  // ---- the thread that runs the script ----
  void Begin() {
    absl::MutexLock lock(&mutex_);
    running_ = true;
    wrote_ = false;
    kill_requested_ = false;
  }
  void End() {
    absl::MutexLock lock(&mutex_);
    running_ = false;
  }
  // Before each write. False when the script is being killed: then it may not write any more.
  [[nodiscard]] bool StartWriting() {
    absl::MutexLock lock(&mutex_);
    if (!kill_requested_) wrote_ = true;
    return wrote_;
  }
  bool kill_requested() const { return kill_requested_.load(std::memory_order_relaxed); }

  // ---- any thread ----
  // Only a script that has written nothing can be killed: half of one would be left otherwise.
  [[nodiscard]] Kill RequestKill() {
    absl::MutexLock lock(&mutex_);
    if (!running_) return Kill::kNothingRuns;
    if (wrote_) return Kill::kHasWritten;
    kill_requested_ = true;
    return Kill::kDone;
  }

 private:
  absl::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool wrote_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> kill_requested_ = false;
};

}  // namespace chorale
