// The time of day, and durations. Thread-safe.
//
// Reading the system's clocks costs as much as running a small command, so a command is timed with
// the processor's cycle counter, and the time of day is read once per turn of a thread
// (IoThread::now_ms).

#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace chorale {

// Unix time; expiries and what clients are shown.
[[nodiscard]] inline int64_t UnixMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}
[[nodiscard]] inline int64_t UnixMillis() { return UnixMicros() / 1000; }

[[nodiscard]] inline int64_t MonotonicNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A count that grows at a constant rate; TicksToNanos knows the rate.
[[nodiscard]] inline uint64_t NowTicks() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return static_cast<uint64_t>(MonotonicNanos());
#endif
}

// Measures the rate against the monotonic clock, over the time since the first call. Called once at
// start-up, where it takes a millisecond, and by the cron, which makes it more exact.
void CalibrateTicks();
[[nodiscard]] int64_t TicksToNanos(uint64_t ticks);
[[nodiscard]] uint64_t MicrosToTicks(int64_t micros);

}  // namespace chorale
