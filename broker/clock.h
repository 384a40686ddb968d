// The time of day and the time since start-up. Thread-safe.

#pragma once

#include <chrono>
#include <cstdint>

namespace chorale {

// Unix time; expiries and what clients are shown.
[[nodiscard]] inline int64_t UnixMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}
[[nodiscard]] inline int64_t UnixMillis() { return UnixMicros() / 1000; }

// Never goes back; durations.
[[nodiscard]] inline int64_t MonotonicNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace chorale
