#include "broker/latency_monitor.h"

#include <algorithm>
#include <utility>

namespace chorale {

void LatencyMonitor::Add(std::string_view event, int64_t unix_seconds, int64_t milliseconds) {
  absl::MutexLock lock(&mutex_);
  auto found = events_.find(event);
  if (found == events_.end()) found = events_.emplace(std::string(event), Event{}).first;
  Event& entry = found->second;
  entry.worst_ms = std::max(entry.worst_ms, milliseconds);
  if (!entry.samples.empty() && entry.samples.back().unix_seconds == unix_seconds) {
    Sample& sample = entry.samples.back();
    sample.milliseconds = std::max(sample.milliseconds, milliseconds);
    return;
  }
  entry.samples.push_back({unix_seconds, milliseconds});
  if (entry.samples.size() > kMaxSamples) entry.samples.pop_front();
}

std::map<std::string, LatencyMonitor::Event, std::less<>> LatencyMonitor::All() const {
  absl::MutexLock lock(&mutex_);
  return events_;
}

int64_t LatencyMonitor::Reset(const std::vector<std::string_view>& names) {
  absl::MutexLock lock(&mutex_);
  const auto count = static_cast<int64_t>(events_.size());
  if (names.empty()) {
    events_.clear();
    return count;
  }
  int64_t forgotten = 0;
  for (const std::string_view name : names) {
    const auto found = events_.find(name);
    if (found == events_.end()) continue;
    events_.erase(found);
    ++forgotten;
  }
  return forgotten;
}

}  // namespace chorale
