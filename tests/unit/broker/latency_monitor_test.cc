#include "broker/latency_monitor.h"

#include <gtest/gtest.h>

namespace chorale {
namespace {

TEST(LatencyMonitor, KeepsTheSlowestOfEachSecond) {
  LatencyMonitor monitor;
  monitor.Add("command", 100, 20);
  monitor.Add("command", 100, 50);
  monitor.Add("command", 100, 30);
  monitor.Add("command", 101, 10);
  const auto events = monitor.All();
  ASSERT_EQ(events.size(), 1);
  const auto& event = events.at("command");
  ASSERT_EQ(event.samples.size(), 2);
  EXPECT_EQ(event.samples[0].milliseconds, 50);
  EXPECT_EQ(event.samples[1].unix_seconds, 101);
  EXPECT_EQ(event.worst_ms, 50);
}

TEST(LatencyMonitor, KeepsTheLatestSamplesAndTheWorstOfAll) {
  LatencyMonitor monitor;
  monitor.Add("command", 0, 999);
  for (int second = 1; second <= 500; ++second) monitor.Add("command", second, 10);
  const auto event = monitor.All().at("command");
  EXPECT_EQ(event.samples.size(), 160);
  EXPECT_EQ(event.samples.front().unix_seconds, 341);
  EXPECT_EQ(event.samples.back().unix_seconds, 500);
  EXPECT_EQ(event.worst_ms, 999);
}

TEST(LatencyMonitor, ForgetsTheEventsNamedOrAll) {
  LatencyMonitor monitor;
  for (const char* event : {"a", "b", "c"}) monitor.Add(event, 1, 1);
  EXPECT_EQ(monitor.Reset({"a", "nosuch"}), 1);
  EXPECT_EQ(monitor.All().size(), 2);
  EXPECT_EQ(monitor.Reset({}), 2);
  EXPECT_TRUE(monitor.All().empty());
}

}  // namespace
}  // namespace chorale
