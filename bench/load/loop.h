// One thread of the load generator: it waits for its connections with epoll, hands out what they
// bring, begins operations at their time, and counts. Connections and drivers are added while no
// round runs; Run() is called by one thread at a time; counts are read by any.

#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/connection.h"
#include "bench/load/histogram.h"
#include "bench/load/round.h"

namespace chorale::bench {

class Driver;

// Written by one thread, read by all.
class Counter {
 public:
  void Add(int64_t more) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_ = 0;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The connection's events come here from now on. During a round: this thread only.
  [[nodiscard]] absl::Status Add(Connection& connection);
  void AddDriver(Driver& driver) { drivers_.push_back(&driver); }
  const std::vector<Driver*>& drivers() const { return drivers_; }

  // Works until the round is over. `first_driver` counts the drivers of other loops before this
  // one's, for an even rhythm of all.
  void Run(Round& round, size_t first_driver, size_t all_drivers);

  // Lets Run() look at its drivers and at whether the round is over. Any thread.
  void Wake();

  // Sends what the connection's output has. This thread only, as all below.
  void Flush(Connection& connection);
  void Fail(const absl::Status& status);

  int64_t now() const { return now_; }
  void ReadTheClock() { now_ = Now(); }
  bool measured() const { return measured_; }

  // What measured rounds have brought.
  Counter operations;
  Counter errors;
  Counter deliveries;
  Histogram latency;
  Histogram delivery_latency;
  std::string first_error;
  // Operations whose time came and that were not begun before the round's end.
  int64_t not_begun = 0;
  int64_t cpu_time = 0;
  // Warm-up included, to show that something happens.
  Counter progress;

 private:
  void Start(size_t first_driver, size_t all_drivers);
  void HandleEvents();
  void Handle(Connection& connection, uint32_t events);
  void Watch(Connection& connection, bool for_room);
  void BeginWhatIsDue();
  void PumpAll();
  int64_t NextEvent() const;

  int epoll_ = -1;
  int wake_event_ = -1;
  std::vector<Driver*> drivers_;
  Round* round_ = nullptr;
  bool measured_ = false;
  bool past_end_ = false;
  int64_t now_ = 0;
  // Of an open loop: drivers have their turns one after the other, at first_tick_ + n * tick_.
  int64_t first_tick_ = 0;
  double tick_ = 0;
  int64_t ticks_ = 0;
};

}  // namespace chorale::bench
