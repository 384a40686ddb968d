#include "broker/clock.h"

#include <atomic>

namespace chorale {
namespace {

constexpr int64_t kFirstCalibrationNanos = 1'000'000;

std::atomic<double> g_nanos_per_tick{1.0};

}  // namespace

void CalibrateTicks() {
  static const int64_t first_nanos = MonotonicNanos();
  static const uint64_t first_ticks = NowTicks();
  int64_t nanos = 0;
  do {
    nanos = MonotonicNanos() - first_nanos;
  } while (nanos < kFirstCalibrationNanos);
  const uint64_t ticks = NowTicks() - first_ticks;
  g_nanos_per_tick.store(static_cast<double>(nanos) / static_cast<double>(ticks),
                         std::memory_order_relaxed);
}

int64_t TicksToNanos(uint64_t ticks) {
  return static_cast<int64_t>(static_cast<double>(ticks) *
                              g_nanos_per_tick.load(std::memory_order_relaxed));
}

uint64_t MicrosToTicks(int64_t micros) {
  return static_cast<uint64_t>(static_cast<double>(micros) * 1000.0 /
                               g_nanos_per_tick.load(std::memory_order_relaxed));
}

}  // namespace chorale
