// The slow log: the last commands that took longer than slowlog-log-slower-than. Thread-safe.
// https://redis.io/docs/latest/commands/slowlog-get/

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/command.h"

namespace chorale {

class SlowLog {
 public:
  struct Entry {
    int64_t id = 0;
    int64_t unix_seconds = 0;
    int64_t duration_us = 0;
    std::vector<std::string> args;
    std::string client_address;
    std::string client_name;
  };

  // Keeps at most 32 arguments of at most 128 bytes each, as Redis does; says how many more.
  void Add(Arguments args, int64_t duration_us, std::string address, std::string name,
           size_t max_length);
  // The latest `count` entries, the latest first; all of them when count is negative.
  [[nodiscard]] std::vector<Entry> Latest(int64_t count) const;
  [[nodiscard]] size_t size() const;
  void Clear();

 private:
  mutable absl::Mutex mutex_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace chorale
