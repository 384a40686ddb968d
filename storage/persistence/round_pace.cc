#include "storage/persistence/round_pace.h"

#include <algorithm>

namespace chorale {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongest{700};
constexpr milliseconds kShortest{50};
// From the change to the end of its round.
constexpr milliseconds kPromise{950};
// What a smaller round costs is a matter of the disk's latency and not of its bytes.
constexpr int64_t kLarge = 1 << 20;
// Writers never wait for less: a round that was slow by chance is not to hold them for long.
constexpr int64_t kLeast = 8 << 20;

double Seconds(RoundPace::Duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void RoundPace::Note(int64_t bytes, Duration took) {
  // After a slow one the next are expected to be slow, too, for a while.
  last_ = std::max(took, last_ - last_ / 8);
  if (bytes < kLarge) return;
  const double cost = Seconds(took) / static_cast<double>(bytes);
  seconds_per_byte_ = (seconds_per_byte_ + cost) / 2;
  worst_seconds_per_byte_ = std::max(cost, worst_seconds_per_byte_ * 7 / 8);
}

RoundPace::Duration RoundPace::Interval(int64_t bytes) const {
  // Not more than a Duration can hold.
  const double seconds =
      std::min(worst_seconds_per_byte_ * static_cast<double>(bytes), Seconds(kPromise));
  const auto takes = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  return std::clamp<Duration>(kPromise - kHoldBack - std::max(last_, takes), kShortest, kLongest);
}

int64_t RoundPace::MostInTime() const {
  constexpr double kNoLimit = 1e15;
  const double bytes = std::min(Seconds(kPromise - kHoldBack) / seconds_per_byte_, kNoLimit);
  return std::max(kLeast, static_cast<int64_t>(bytes));
}

}  // namespace chorale
