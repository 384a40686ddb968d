// Counters for INFO. Each thread adds to its own slot without a lock; readers sum the slots.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace chorale {

// One writer, any reader: an addition is a plain load and store.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  void Reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct CommandCounters {
  Counter calls, ticks, rejected, failed;  // ticks: see clock.h
};

// How fast a total grows, over the last sixteen samples. One writer, any reader.
class Rate {
 public:
  void Sample(uint64_t total, int64_t now_ms);
  uint64_t per_second() const { return per_second_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kSamples = 16;
  struct Moment {
    uint64_t total = 0;
    int64_t at_ms = 0;
  };
  std::array<Moment, kSamples> moments_;
  size_t next_ = 0;
  std::atomic<uint64_t> per_second_ = 0;
};

// What one I/O thread counted.
struct alignas(64) ThreadStatistics {
  Counter commands, connections, rejected_connections, input_bytes, output_bytes, errors,
      output_limit_disconnections, query_buffer_disconnections, returned_leases;
  // Indexed by Command::id.
  std::vector<CommandCounters> by_command;

  // On the thread that counts.
  void Reset();
};

class Statistics {
 public:
  Statistics(size_t threads, size_t commands) : threads_(threads) {
    for (ThreadStatistics& thread : threads_) {
      thread.by_command = std::vector<CommandCounters>(commands);
    }
  }
  ThreadStatistics& thread(int index) { return threads_[static_cast<size_t>(index)]; }
  const std::vector<ThreadStatistics>& threads() const { return threads_; }

  uint64_t Sum(Counter ThreadStatistics::*counter) const {
    uint64_t sum = 0;
    for (const ThreadStatistics& thread : threads_) sum += (thread.*counter).get();
    return sum;
  }

  // An error reply: its code is the first word ("WRONGTYPE"). Any thread.
  void CountError(std::string_view code);
  [[nodiscard]] std::map<std::string, uint64_t> ErrorsByCode() const;
  void ResetErrors();

  // Written by the cron of the first thread.
  Rate commands, input_bytes, output_bytes;

 private:
  std::vector<ThreadStatistics> threads_;
  mutable absl::Mutex errors_mutex_;
  std::map<std::string, uint64_t> errors_by_code_ ABSL_GUARDED_BY(errors_mutex_);
};

}  // namespace chorale
