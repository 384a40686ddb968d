#include "broker/statistics.h"

namespace chorale {
namespace {

// Scripts may reply errors of their own invention; no more codes than this are told apart.
constexpr size_t kMaxErrorCodes = 128;

}  // namespace

void Rate::Sample(uint64_t total, int64_t now_ms) {
  Moment& oldest = moments_[next_];
  next_ = (next_ + 1) % kSamples;
  const int64_t elapsed_ms = now_ms - oldest.at_ms;
  // A total that shrank was reset.
  if (oldest.at_ms != 0 && elapsed_ms > 0 && total >= oldest.total) {
    per_second_ = (total - oldest.total) * 1000 / static_cast<uint64_t>(elapsed_ms);
  }
  oldest = {total, now_ms};
}

void ThreadStatistics::Reset() {
  for (Counter* counter :
       {&commands, &connections, &rejected_connections, &input_bytes, &output_bytes, &errors,
        &output_limit_disconnections, &query_buffer_disconnections, &returned_leases}) {
    counter->Reset();
  }
  for (CommandCounters& command : by_command) {
    for (Counter* counter : {&command.calls, &command.ticks, &command.rejected, &command.failed}) {
      counter->Reset();
    }
  }
}

void Statistics::CountError(std::string_view code) {
  absl::MutexLock lock(&errors_mutex_);
  const std::string key(code);
  const auto found = errors_by_code_.find(key);
  if (found != errors_by_code_.end()) {
    ++found->second;
  } else if (errors_by_code_.size() < kMaxErrorCodes) {
    errors_by_code_.emplace(key, 1);
  }
}

std::map<std::string, uint64_t> Statistics::ErrorsByCode() const {
  absl::MutexLock lock(&errors_mutex_);
  return errors_by_code_;
}

void Statistics::ResetErrors() {
  absl::MutexLock lock(&errors_mutex_);
  errors_by_code_.clear();
}

}  // namespace chorale
