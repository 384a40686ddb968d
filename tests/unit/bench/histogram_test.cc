#include "bench/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace chorale::bench {
namespace {

constexpr double kMostError = 0.005;

double OnlyValueOf(int64_t recorded) {
  Histogram histogram;
  histogram.Record(recorded);
  histogram.Record(Histogram::kLargest);  // so that the largest value does not bound it
  return histogram.Percentile(50);
}

TEST(HistogramTest, ShortTimesAreExact) {
  for (int64_t value = 0; value < 256; ++value) EXPECT_EQ(OnlyValueOf(value), value);
}

TEST(HistogramTest, EveryTimeIsKnownToWithinHalfAPercent) {
  for (int64_t power = 256; power < Histogram::kLargest / 2; power *= 2) {
    for (const int64_t value : {power - 1, power, power + 1, power + power / 3, 2 * power - 1}) {
      const auto exact = static_cast<double>(value);
      EXPECT_NEAR(OnlyValueOf(value), exact, kMostError * exact);
    }
  }
}

TEST(HistogramTest, BucketsAscendWithTheTime) {
  double before = -1;
  for (int64_t value = 0; value < 100'000; ++value) {
    const double now = OnlyValueOf(value);
    ASSERT_GE(now, before) << value;
    before = now;
  }
}

TEST(HistogramTest, PercentilesAreThoseOfTheSortedValues) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> times(11, 1.5);
  std::vector<int64_t> values;
  Histogram histogram;
  for (int i = 0; i < 100'003; ++i) {
    values.push_back(static_cast<int64_t>(times(random)));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.001, 1.0, 25.0, 50.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto rank =
        static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(values.size())));
    const auto exact = static_cast<double>(values[std::max<size_t>(rank, 1) - 1]);
    EXPECT_NEAR(histogram.Percentile(percent), exact, kMostError * exact) << percent;
  }
}

TEST(HistogramTest, MeanAndLargestAreExact) {
  Histogram histogram;
  for (const int64_t value : {1'000'003, 2'000'007, 5'000'001}) histogram.Record(value);
  EXPECT_DOUBLE_EQ(histogram.Mean(), 8'000'011.0 / 3);
  EXPECT_EQ(histogram.largest(), 5'000'001);
  EXPECT_EQ(histogram.Percentile(100), 5'000'001);
}

TEST(HistogramTest, TwoAddUpToOneOfAllValues) {
  Histogram all, odd, even;
  for (int64_t value = 0; value < 10'000; ++value) {
    all.Record(value * value);
    (value % 2 == 0 ? even : odd).Record(value * value);
  }
  odd.Add(even);
  EXPECT_EQ(odd.count(), 10'000);
  EXPECT_EQ(odd.Mean(), all.Mean());
  EXPECT_EQ(odd.largest(), all.largest());
  for (const double percent : {1.0, 50.0, 99.9}) {
    EXPECT_EQ(odd.Percentile(percent), all.Percentile(percent));
  }
}

TEST(HistogramTest, WhatIsOutOfRangeCountsAtItsEnds) {
  Histogram histogram;
  histogram.Record(-5);
  EXPECT_EQ(histogram.Percentile(100), 0);
  histogram.Record(Histogram::kLargest * 3);
  histogram.Record(Histogram::kLargest * 3);
  EXPECT_NEAR(histogram.Percentile(60), static_cast<double>(Histogram::kLargest),
              kMostError * static_cast<double>(Histogram::kLargest));
  EXPECT_EQ(histogram.largest(), Histogram::kLargest * 3);
}

TEST(HistogramTest, AnEmptyOneHasNoTimes) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Percentile(50), 0);
  EXPECT_EQ(histogram.Mean(), 0);
}

}  // namespace
}  // namespace chorale::bench
