// What took longer than latency-monitor-threshold: for each kind of event the slowest of each
// second, for the last seconds that had one. Thread-safe.
// https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace chorale {

class LatencyMonitor {
 public:
  struct Sample {
    int64_t unix_seconds = 0;
    int64_t milliseconds = 0;
  };
  struct Event {
    std::deque<Sample> samples;  // the oldest first
    int64_t worst_ms = 0;
  };

  void Add(std::string_view event, int64_t unix_seconds, int64_t milliseconds);
  [[nodiscard]] std::map<std::string, Event, std::less<>> All() const;
  // Forgets the events named, or all if none is; returns how many it forgot.
  int64_t Reset(const std::vector<std::string_view>& names);

 private:
  static constexpr size_t kMaxSamples = 160;

  mutable absl::Mutex mutex_;
  std::map<std::string, Event, std::less<>> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace chorale
