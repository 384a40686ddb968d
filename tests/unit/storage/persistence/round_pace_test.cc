#include "storage/persistence/round_pace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace chorale {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kMegabyte = 1 << 20;

// At 100 MB a second.
constexpr milliseconds TimeFor(int64_t bytes) { return milliseconds(bytes * 10 / kMegabyte); }

RoundPace AfterRounds(int64_t bytes) {
  RoundPace pace;
  for (int i = 0; i < 20; ++i) pace.Note(bytes, TimeFor(bytes));
  return pace;
}

TEST(RoundPaceTest, WithoutLoadARoundBeginsAfterMostOfASecond) {
  RoundPace pace;
  EXPECT_EQ(pace.Interval(0), milliseconds(700));
  pace.Note(1000, milliseconds(2));
  EXPECT_EQ(pace.Interval(1000), milliseconds(700));
}

TEST(RoundPaceTest, TheMoreWaitsTheEarlierItBeginsSoThatItsEndIsInTime) {
  const RoundPace pace = AfterRounds(2 * kMegabyte);
  EXPECT_EQ(pace.Interval(kMegabyte), milliseconds(700));
  for (int64_t bytes = 10 * kMegabyte; bytes < 75 * kMegabyte; bytes += kMegabyte) {
    const auto end = pace.Interval(bytes) + TimeFor(bytes);
    EXPECT_LE(end, milliseconds(801)) << bytes;
    EXPECT_GE(end, milliseconds(799)) << bytes << ": earlier than it has to be";
  }
  EXPECT_EQ(pace.Interval(90 * kMegabyte), milliseconds(50));
  EXPECT_EQ(pace.Interval(std::numeric_limits<int64_t>::max()), milliseconds(50));
}

TEST(RoundPaceTest, AfterSlowRoundsTheNextBeginEarlierForAWhile) {
  RoundPace pace;
  pace.Note(1000, milliseconds(300));
  EXPECT_EQ(pace.Interval(0), milliseconds(500));
  pace.Note(1000, milliseconds(5000));
  EXPECT_EQ(pace.Interval(0), milliseconds(50));
  for (int i = 0; i < 50; ++i) pace.Note(1000, milliseconds(1));
  EXPECT_EQ(pace.Interval(0), milliseconds(700));
}

TEST(RoundPaceTest, SmallRoundsSayNothingOfWhatBytesCost) {
  RoundPace pace;
  const int64_t most = pace.MostInTime();
  const auto interval = pace.Interval(40 * kMegabyte);
  for (int i = 0; i < 20; ++i) pace.Note(100, milliseconds(50));
  EXPECT_EQ(pace.MostInTime(), most);
  EXPECT_EQ(pace.Interval(40 * kMegabyte), interval);
}

TEST(RoundPaceTest, NoMoreMayWaitThanIsWrittenInTime) {
  const RoundPace pace = AfterRounds(2 * kMegabyte);
  EXPECT_GE(pace.MostInTime(), 75 * kMegabyte);
  EXPECT_LE(pace.MostInTime(), 80 * kMegabyte);
}

TEST(RoundPaceTest, ARoundThatWasSlowByChanceIsForgotten) {
  RoundPace pace = AfterRounds(2 * kMegabyte);
  pace.Note(2 * kMegabyte, milliseconds(60'000));
  EXPECT_EQ(pace.MostInTime(), 8 * kMegabyte) << "not less";
  EXPECT_EQ(pace.Interval(kMegabyte), milliseconds(50));
  for (int i = 0; i < 100; ++i) pace.Note(8 * kMegabyte, TimeFor(8 * kMegabyte));
  EXPECT_GE(pace.MostInTime(), 75 * kMegabyte);
  EXPECT_EQ(pace.Interval(kMegabyte), milliseconds(700));
}

TEST(RoundPaceTest, OneDearRoundMakesTheNextBeginEarlierAndHoldsNobodyForLong) {
  RoundPace pace = AfterRounds(2 * kMegabyte);
  const int64_t most = pace.MostInTime();
  pace.Note(2 * kMegabyte, 3 * TimeFor(2 * kMegabyte));
  EXPECT_GE(pace.Interval(10 * kMegabyte), milliseconds(490));
  EXPECT_LE(pace.Interval(10 * kMegabyte), milliseconds(510));
  EXPECT_GE(pace.MostInTime(), most / 2 - 1);
}

TEST(RoundPaceTest, RoundsThatTookNoTimeAreNoLimit) {
  RoundPace pace;
  for (int i = 0; i < 5000; ++i) pace.Note(100 * kMegabyte, milliseconds(0));
  EXPECT_GT(pace.MostInTime(), int64_t{1} << 40);
}

}  // namespace
}  // namespace chorale
