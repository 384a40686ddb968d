#include "bench/load/flight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace chorale::bench {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

TEST(FlightTest, AClosedLoopBeginsABatchWhenTheOneBeforeHasEnded) {
  Flight flight(3);
  flight.StartClosed();
  EXPECT_EQ(flight.Startable(100), 3);
  for (int i = 0; i < 3; ++i) flight.Begin(100);
  EXPECT_EQ(flight.Startable(200), 0);
  flight.Finish();
  flight.Finish();
  EXPECT_EQ(flight.Startable(200), 0);
  flight.Finish();
  EXPECT_EQ(flight.Startable(200), 3);
}

TEST(FlightTest, InAClosedLoopLatencyCountsFromTheBegin) {
  Flight flight(2);
  flight.StartClosed();
  flight.Begin(100);
  flight.Begin(150);
  EXPECT_EQ(flight.Finish(), 100);
  EXPECT_EQ(flight.Finish(), 150);
}

TEST(FlightTest, InAnOpenLoopOperationsAreDueAtTheirTimes) {
  Flight flight(10);
  flight.StartOpen(1000, 100);
  EXPECT_EQ(flight.Startable(999), 0);
  EXPECT_EQ(flight.Startable(1000), 1);
  EXPECT_EQ(flight.Startable(1099), 1);
  EXPECT_EQ(flight.Startable(1250), 3);
  EXPECT_EQ(flight.Begin(1250), 1000);
  EXPECT_EQ(flight.Begin(1250), 1100);
  EXPECT_EQ(flight.Startable(1250), 1);
  EXPECT_EQ(flight.Begin(1250), 1200);
  EXPECT_EQ(flight.Startable(1250), 0);
}

TEST(FlightTest, NoMoreBeginThanTheDepthAndTheRestStaysDue) {
  Flight flight(2);
  flight.StartOpen(0, 10);
  EXPECT_EQ(flight.Startable(1000), 2);
  flight.Begin(1000);
  flight.Begin(1000);
  EXPECT_EQ(flight.Startable(1000), 0);
  EXPECT_EQ(flight.Due(1000), 99);
  flight.Finish();
  EXPECT_EQ(flight.Startable(1000), 1);
}

TEST(FlightTest, IntervalsThatAreNoWholeNanosecondsDoNotDrift) {
  Flight flight(1);
  flight.StartOpen(0, 1e9 / 3);
  int64_t last = 0;
  for (int i = 0; i <= 3'000'000; ++i) {
    last = flight.Begin(0);
    flight.Finish();
  }
  EXPECT_NEAR(static_cast<double>(last), 1e15, 1);
}

// A server that answers in 1 ms, but stands still from second 1 to second 2.
std::vector<int64_t> LatenciesBesideAPause(bool open) {
  constexpr int64_t kPauseBegin = 1000 * kMillisecond, kPauseEnd = 2000 * kMillisecond;
  Flight flight(1);
  open ? flight.StartOpen(0, 2 * kMillisecond) : flight.StartClosed();
  std::vector<int64_t> latencies;
  int64_t now = 0;
  while (now < 3000 * kMillisecond) {
    if (flight.Startable(now) == 0) {
      now += kMillisecond / 10;
      continue;
    }
    flight.Begin(now);
    now += kMillisecond;
    if (now > kPauseBegin && now < kPauseEnd) now = kPauseEnd;
    latencies.push_back(now - flight.Finish());
  }
  return latencies;
}

TEST(FlightTest, AServersPauseIsChargedToAllOperationsThatWereDueInIt) {
  const std::vector<int64_t> latencies = LatenciesBesideAPause(true);
  const auto slow = std::count_if(latencies.begin(), latencies.end(),
                                  [](int64_t time) { return time > 2 * kMillisecond; });
  // 500 were due in the pause. They end at 1 ms each while others become due every 2 ms: so it
  // takes another second, with 500 more, until none is late.
  EXPECT_NEAR(static_cast<double>(slow), 1000, 5);
  EXPECT_NEAR(static_cast<double>(*std::max_element(latencies.begin(), latencies.end())),
              1000 * kMillisecond, 2 * kMillisecond);
}

TEST(FlightTest, AClosedLoopSeesOneSlowOperationInTheSamePause) {
  const std::vector<int64_t> latencies = LatenciesBesideAPause(false);
  EXPECT_EQ(std::count_if(latencies.begin(), latencies.end(),
                          [](int64_t time) { return time > 2 * kMillisecond; }),
            1);
}

}  // namespace
}  // namespace chorale::bench
