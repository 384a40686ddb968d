// The clocks of a run, in nanoseconds. Thread-safe.

#pragma once

#include <cstdint>
#include <ctime>

namespace chorale::bench {

constexpr int64_t kSecond = 1'000'000'000;

inline int64_t ReadClock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

// What latencies and rounds are measured with.
inline int64_t Now() { return ReadClock(CLOCK_MONOTONIC); }

// The CPU time of the calling thread.
inline int64_t ThreadCpuTime() { return ReadClock(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace chorale::bench
