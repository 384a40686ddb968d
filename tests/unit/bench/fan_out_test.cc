#include "bench/load/fan_out.h"

#include <gtest/gtest.h>

namespace chorale::bench {
namespace {

class FanOutTest : public testing::Test {
 protected:
  FanOut Make(size_t window, FanOut::Pace pace, int receivers) {
    return FanOut(loop_, 0, window, pace, receivers);
  }

  Loop loop_;
};

TEST_F(FanOutTest, AMessageIsUnderWayUntilAllHaveIt) {
  FanOut fan_out = Make(1, FanOut::Pace::kBatches, 2);
  EXPECT_EQ(fan_out.Room(), 1U);
  const Stamp stamp = fan_out.Begin(7);
  EXPECT_EQ(stamp.intended, 7);
  EXPECT_EQ(fan_out.Room(), 0U);
  EXPECT_TRUE(fan_out.Arrived(stamp));
  EXPECT_FALSE(fan_out.Idle());
  EXPECT_TRUE(fan_out.Arrived(stamp));
  EXPECT_TRUE(fan_out.Idle());
  EXPECT_EQ(fan_out.Room(), 1U);
}

TEST_F(FanOutTest, ABatchIsFollowedByTheNextWhenAllOfItHasArrived) {
  FanOut fan_out = Make(2, FanOut::Pace::kBatches, 1);
  const Stamp first = fan_out.Begin(0), second = fan_out.Begin(0);
  EXPECT_TRUE(fan_out.Arrived(first));
  EXPECT_EQ(fan_out.Room(), 0U);
  EXPECT_TRUE(fan_out.Arrived(second));
  EXPECT_EQ(fan_out.Room(), 2U);
}

TEST_F(FanOutTest, ASlidingWindowHasRoomForEachMessageThatHasArrived) {
  FanOut fan_out = Make(2, FanOut::Pace::kSliding, 1);
  const Stamp first = fan_out.Begin(0);
  const Stamp second = fan_out.Begin(0);
  EXPECT_TRUE(fan_out.Arrived(second));
  EXPECT_EQ(fan_out.Room(), 1U);
  const Stamp third = fan_out.Begin(0);
  EXPECT_NE(third.slot, first.slot);
  EXPECT_EQ(fan_out.Room(), 0U);
}

TEST_F(FanOutTest, ReceiversThatAMessageLeavesOutAreNotWaitedFor) {
  FanOut fan_out = Make(2, FanOut::Pace::kBatches, 3);
  const Stamp first = fan_out.Begin(0), second = fan_out.Begin(0);
  fan_out.Replied(3);
  EXPECT_FALSE(fan_out.Idle());
  fan_out.Replied(1);
  EXPECT_TRUE(fan_out.Arrived(second));
  EXPECT_TRUE(fan_out.Arrived(second));
  EXPECT_TRUE(fan_out.Idle());
  EXPECT_FALSE(fan_out.Arrived(first));
}

TEST_F(FanOutTest, AStampThatIsNoneOfItsOwnIsRefused) {
  FanOut fan_out = Make(1, FanOut::Pace::kBatches, 1);
  EXPECT_FALSE(fan_out.Arrived({0, 9, 0}));
  const Stamp stamp = fan_out.Begin(0);
  EXPECT_TRUE(fan_out.Arrived(stamp));
  EXPECT_FALSE(fan_out.Arrived(stamp));
}

}  // namespace
}  // namespace chorale::bench
