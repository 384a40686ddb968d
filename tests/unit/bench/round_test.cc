#include "bench/load/round.h"

#include <gtest/gtest.h>

namespace chorale::bench {
namespace {

class RoundTest : public testing::Test {
 protected:
  Round::Plan plan_{.begin = 0, .end = kSecond, .operations = 10, .rate = 0, .measured = true};
  int woken_ = 0;
};

TEST_F(RoundTest, NoMoreOperationsBeginThanThereAre) {
  Round round(plan_, 1, [] {});
  EXPECT_EQ(round.Take(7), 7);
  EXPECT_FALSE(round.exhausted());
  EXPECT_EQ(round.Take(7), 3);
  EXPECT_TRUE(round.exhausted());
  EXPECT_EQ(round.Take(7), 0);
}

TEST_F(RoundTest, ItIsOverWhenTheLastDriverIsDone) {
  Round round(plan_, 2, [this] { ++woken_; });
  round.DriverDone();
  EXPECT_FALSE(round.over());
  round.DriverDone();
  EXPECT_TRUE(round.over());
  EXPECT_TRUE(round.WaitUntilOver(absl::ZeroDuration()));
  EXPECT_TRUE(round.status().ok());
  EXPECT_EQ(woken_, 1);
}

TEST_F(RoundTest, TheFirstFailureEndsIt) {
  Round round(plan_, 5, [this] { ++woken_; });
  round.Fail(absl::UnavailableError("first"));
  round.Fail(absl::UnavailableError("second"));
  EXPECT_TRUE(round.over());
  EXPECT_EQ(round.status().message(), "first");
  EXPECT_EQ(woken_, 1);
}

}  // namespace
}  // namespace chorale::bench
