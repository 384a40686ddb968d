#include "storage/layers/channel_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/locked_keys.h"

namespace chorale {
namespace {

constexpr int64_t kSentAt = 1;

class ChannelQueueTest : public testing::Test {
 protected:
  ChannelQueueTest() { queue_.CountIn(counters_); }

  const std::shared_ptr<LayerCounters> counters_ = std::make_shared<LayerCounters>();
  ChannelQueue queue_;
};

TEST_F(ChannelQueueTest, GivesMessagesInTheirOrderByteForByte) {
  const std::string binary("\0\r\n\xff", 4);
  queue_.Push(binary, 10, kSentAt);
  queue_.Push("", 10, kSentAt);
  queue_.Push("last", 10, kSentAt);
  EXPECT_EQ(queue_.Pop(), binary);
  EXPECT_EQ(queue_.Pop(), "");
  EXPECT_EQ(queue_.Pop(), "last");
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(ChannelQueueTest, DropsWhatHasExpiredAndNothingElse) {
  queue_.Push("a", 10, kSentAt);
  queue_.Push("b", 11, kSentAt);
  EXPECT_EQ(queue_.DropExpired(9), 0u);
  EXPECT_EQ(queue_.DropExpired(10), 1u);
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_EQ(queue_.Pop(), "b");
  EXPECT_EQ(queue_.DropExpired(1000), 0u);
}

TEST_F(ChannelQueueTest, LivesAsLongAsTheMessageThatLivesLongest) {
  queue_.Push("long", 100, kSentAt);
  queue_.Push("short", 10, kSentAt);
  EXPECT_EQ(queue_.expires_at_ms(), 100);
}

TEST_F(ChannelQueueTest, AMessageBehindOneThatLivesLongerGoesOnceItIsInFront) {
  queue_.Push("long", 100, kSentAt);
  queue_.Push("short", 10, kSentAt);
  EXPECT_EQ(queue_.DropExpired(50), 0u);
  EXPECT_EQ(queue_.Pop(), "long");
  EXPECT_EQ(queue_.DropExpired(50), 1u);
}

TEST_F(ChannelQueueTest, ItsMemoryIsThatOfWhatIsInIt) {
  const size_t empty = queue_.MemoryUsage();
  queue_.Push(std::string(1000, 'x'), 10, kSentAt);
  queue_.Push(std::string(3000, 'x'), 20, kSentAt);
  EXPECT_GE(queue_.MemoryUsage(), empty + 4000);
  queue_.Pop();
  EXPECT_LT(queue_.MemoryUsage(), empty + 3500);
  queue_.DropExpired(20);
  EXPECT_EQ(queue_.MemoryUsage(), empty);
}

TEST_F(ChannelQueueTest, WhatIsReceivedAndWhatExpiresIsCounted) {
  for (int i = 0; i < 5; ++i) queue_.Push("m", 10 + i, kSentAt);
  queue_.Pop();
  queue_.DropExpired(11);
  EXPECT_EQ(counters_->received, 1u);
  EXPECT_EQ(counters_->expired, 1u);
}

class QueueInAStoreTest : public ChannelQueueTest {
 protected:
  static constexpr int64_t kNow = 1'000'000;
  void Send(int messages) {
    LockedKeys keys(store_, kNow);
    keys.Lock(Store::kAllShards);
    {
      Edit<ChannelQueue> queue(keys, store_.layers_db(), "queue", IfAbsent::kCreate);
      queue->CountIn(counters_);
      for (int i = 0; i < messages; ++i) queue->Push("m", kNow + 10, kSentAt);
    }
    keys.SetExpiry(store_.layers_db(), keys.Find(store_.layers_db(), "queue"), kNow + 10);
  }

  Store store_{1};
};

TEST_F(QueueInAStoreTest, WhatExpiresAsAWholeIsCountedWhoeverFindsIt) {
  Send(3);
  {
    LockedKeys keys(store_, kNow + 10);
    keys.Lock(Store::kAllShards);
    EXPECT_EQ(keys.Find(store_.layers_db(), "queue"), nullptr);
  }
  EXPECT_EQ(counters_->expired, 3u);
  Send(4);
  for (int shard = 0; shard < Store::kShardCount; ++shard) store_.ExpireSome(shard, kNow + 10);
  EXPECT_EQ(counters_->expired, 7u);
}

TEST_F(QueueInAStoreTest, WhatIsDeletedHasNotExpired) {
  Send(3);
  LockedKeys keys(store_, kNow);
  keys.Lock(Store::kAllShards);
  EXPECT_TRUE(keys.Unlink(store_.layers_db(), "queue"));
  EXPECT_EQ(counters_->expired, 0u);
}

}  // namespace
}  // namespace chorale
