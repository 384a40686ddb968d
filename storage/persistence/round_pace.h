// When a round begins, so that a change is on disk within a second of its coming: the more waits,
// and the longer rounds have taken lately, the earlier. Not thread-safe; the journal's thread's.

#pragma once

#include <chrono>
#include <cstdint>

namespace chorale {

class RoundPace {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // For so long messages of channels are left to the next round, because most are received before.
  static constexpr std::chrono::milliseconds kHoldBack{150};

  // A round has written so many bytes, as UnsavedBytes counts them, and took so long.
  void Note(int64_t bytes, Duration took);
  // From the first change to the beginning of the round that writes it, if so many bytes wait now.
  [[nodiscard]] Duration Interval(int64_t bytes) const;
  // As many bytes as are written within the second, those included that are being written: writers
  // wait when there are more.
  [[nodiscard]] int64_t MostInTime() const;

 private:
  static constexpr double kGuess = 1.0 / (64 << 20);

  Duration last_{};  // how long rounds have taken lately
  // What a byte of a large round costs: about, and where it was dear lately. Before the first one,
  // a guess that is rather too much.
  double seconds_per_byte_ = kGuess;
  double worst_seconds_per_byte_ = kGuess;
};

}  // namespace chorale
