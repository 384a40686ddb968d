#include "storage/layers/channel_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace chorale {
namespace {

TEST(ChannelQueueTest, GivesMessagesInTheirOrderByteForByte) {
  ChannelQueue queue;
  const std::string binary("\0\r\n\xff", 4);
  queue.Push(binary, 10);
  queue.Push("", 10);
  queue.Push("last", 10);
  EXPECT_EQ(queue.Pop(), binary);
  EXPECT_EQ(queue.Pop(), "");
  EXPECT_EQ(queue.Pop(), "last");
  EXPECT_EQ(queue.size(), 0u);
}

TEST(ChannelQueueTest, DropsWhatHasExpiredAndNothingElse) {
  ChannelQueue queue;
  queue.Push("a", 10);
  queue.Push("b", 11);
  EXPECT_EQ(queue.DropExpired(9), 0u);
  EXPECT_EQ(queue.DropExpired(10), 1u);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.Pop(), "b");
  EXPECT_EQ(queue.DropExpired(1000), 0u);
}

TEST(ChannelQueueTest, LivesAsLongAsTheMessageThatLivesLongest) {
  ChannelQueue queue;
  queue.Push("long", 100);
  queue.Push("short", 10);
  EXPECT_EQ(queue.expires_at_ms(), 100);
}

TEST(ChannelQueueTest, AMessageBehindOneThatLivesLongerGoesOnceItIsInFront) {
  ChannelQueue queue;
  queue.Push("long", 100);
  queue.Push("short", 10);
  EXPECT_EQ(queue.DropExpired(50), 0u);
  EXPECT_EQ(queue.Pop(), "long");
  EXPECT_EQ(queue.DropExpired(50), 1u);
}

TEST(ChannelQueueTest, ItsMemoryIsThatOfWhatIsInIt) {
  ChannelQueue queue;
  const size_t empty = queue.MemoryUsage();
  queue.Push(std::string(1000, 'x'), 10);
  queue.Push(std::string(3000, 'x'), 20);
  EXPECT_GE(queue.MemoryUsage(), empty + 4000);
  queue.Pop();
  EXPECT_LT(queue.MemoryUsage(), empty + 3500);
  queue.DropExpired(20);
  EXPECT_EQ(queue.MemoryUsage(), empty);
}

}  // namespace
}  // namespace chorale
