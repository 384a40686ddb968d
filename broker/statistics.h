// Counters for INFO. Each thread adds to its own slot without a lock; readers sum the slots.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

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

// What one I/O thread counted.
struct alignas(64) ThreadStatistics {
  Counter commands, connections, rejected_connections, input_bytes, output_bytes, errors,
      output_limit_disconnections, query_buffer_disconnections, returned_leases;
  // Indexed by the position of the command in AllCommands().
  std::vector<CommandCounters> by_command;
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
  void Reset();

  // Commands per second and bytes per second over the last second; written by the cron.
  std::atomic<uint64_t> commands_per_second = 0;

 private:
  std::vector<ThreadStatistics> threads_;
};

}  // namespace chorale
