#include "clients/cpp/backoff.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace chorale::client {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kShortest = 0;  // the random numbers with the shortest delay

TEST(BackoffTest, DoublesUpToTheLongestDelay) {
  Backoff backoff(milliseconds(100), milliseconds(500));
  EXPECT_EQ(backoff.Next(kShortest), milliseconds(50));
  EXPECT_EQ(backoff.Next(kShortest), milliseconds(100));
  EXPECT_EQ(backoff.Next(kShortest), milliseconds(200));
  EXPECT_EQ(backoff.Next(kShortest), milliseconds(250));
  EXPECT_EQ(backoff.Next(kShortest), milliseconds(250));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(kShortest), milliseconds(50));
}

TEST(BackoffTest, ADelayIsAtRandomBetweenHalfAndAllOfIt) {
  for (uint64_t random = 0; random <= 50; ++random) {
    Backoff backoff(milliseconds(100), milliseconds(500));
    EXPECT_EQ(backoff.Next(random), milliseconds(50 + random));
  }
  Backoff backoff(milliseconds(100), milliseconds(500));
  const auto delay = backoff.Next(std::numeric_limits<uint64_t>::max());
  EXPECT_GE(delay, milliseconds(50));
  EXPECT_LE(delay, milliseconds(100));
}

TEST(BackoffTest, NoDelayIsADelayToo) {
  Backoff backoff(milliseconds(0), milliseconds(0));
  EXPECT_LE(backoff.Next(7), milliseconds(1));
}

}  // namespace
}  // namespace chorale::client
