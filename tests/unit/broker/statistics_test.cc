#include "broker/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace chorale {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Rate, IsTheGrowthOverTheSamplesThatAreKept) {
  Rate rate;
  uint64_t total = 0;
  int64_t now_ms = 1000000;
  for (int i = 0; i < 16; ++i) {
    rate.Sample(total, now_ms);
    total += 50;
    now_ms += 100;
  }
  EXPECT_EQ(rate.per_second(), 0) << "before there is a sample to compare with";
  rate.Sample(total, now_ms);
  EXPECT_EQ(rate.per_second(), 500);
}

TEST(Rate, ForgetsABurst) {
  Rate rate;
  int64_t now_ms = 1000000;
  rate.Sample(0, now_ms);
  for (int i = 0; i < 40; ++i) rate.Sample(100000, now_ms += 100);
  EXPECT_EQ(rate.per_second(), 0);
}

TEST(Rate, SurvivesATotalThatWasReset) {
  Rate rate;
  int64_t now_ms = 1000000;
  for (int i = 0; i < 20; ++i) rate.Sample(1000000, now_ms += 100);
  for (int i = 0; i < 20; ++i) rate.Sample(0, now_ms += 100);
  EXPECT_EQ(rate.per_second(), 0);
}

TEST(Statistics, CountsErrorsByTheirCode) {
  Statistics statistics(1, 1);
  statistics.CountError("ERR");
  statistics.CountError("WRONGTYPE");
  statistics.CountError("ERR");
  EXPECT_THAT(statistics.ErrorsByCode(), ElementsAre(Pair("ERR", 2), Pair("WRONGTYPE", 1)));
  statistics.ResetErrors();
  EXPECT_TRUE(statistics.ErrorsByCode().empty());
}

TEST(Statistics, TellsNoMoreThanSoManyErrorCodesApart) {
  Statistics statistics(1, 1);
  statistics.CountError("ERR");
  for (int i = 0; i < 1000; ++i) statistics.CountError("CODE" + std::to_string(i));
  statistics.CountError("ERR");
  const auto errors = statistics.ErrorsByCode();
  EXPECT_EQ(errors.size(), 128);
  EXPECT_EQ(errors.at("ERR"), 2);
}

TEST(Statistics, SumsWhatTheThreadsCountAndForgetsItOneThreadAtATime) {
  Statistics statistics(2, 3);
  statistics.thread(0).commands.Add(2);
  statistics.thread(1).commands.Add(3);
  statistics.thread(1).by_command[2].calls.Add(4);
  EXPECT_EQ(statistics.Sum(&ThreadStatistics::commands), 5);
  statistics.thread(1).Reset();
  EXPECT_EQ(statistics.Sum(&ThreadStatistics::commands), 2);
  EXPECT_EQ(statistics.thread(1).by_command[2].calls.get(), 0);
}

}  // namespace
}  // namespace chorale
