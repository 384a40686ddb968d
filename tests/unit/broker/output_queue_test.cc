#include "broker/output_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

namespace chorale {
namespace {

std::string SendableOf(const OutputQueue& queue) {
  std::array<iovec, OutputQueue::kMaxBuffers> buffers;
  const size_t count = queue.Gather(buffers);
  std::string sendable;
  for (size_t i = 0; i < count; ++i) {
    sendable.append(static_cast<const char*>(buffers[i].iov_base), buffers[i].iov_len);
  }
  return sendable;
}

// Bytes and frames of all sizes, appended and sent in random parts, up to hundreds of chunks at a
// time: the queue holds what a string of them holds.
TEST(OutputQueueTest, SendsWhatWasAppendedInOrder) {
  std::mt19937 random(20261130);
  const auto below = [&](uint32_t end) { return random() % end; };
  OutputQueue queue;
  std::string expected;
  uint64_t emptied = 0;
  for (int step = 0; step < 20'000; ++step) {
    // For a while more is appended than sent, and then the other way round.
    const bool grows = step / 1000 % 2 == 0;
    if (below(10) < (grows ? 8u : 2u)) {
      const size_t size = below(4) == 0 ? 4096 + below(8192) : 1 + below(40);
      const std::string bytes(size, static_cast<char>('a' + below(26)));
      expected += bytes;
      if (below(2) == 0) {
        queue.Append(bytes);
      } else {
        queue.Append(std::make_shared<const std::string>(bytes));
      }
    } else {
      const std::string sendable = SendableOf(queue);
      ASSERT_EQ(sendable, expected.substr(0, sendable.size()));
      ASSERT_EQ(sendable.empty(), expected.empty());
      const size_t sent = below(2) == 0 ? sendable.size() : random() % (1 + sendable.size());
      queue.Consume(sent);
      expected.erase(0, sent);
      if (expected.empty()) ++emptied;
    }
    ASSERT_EQ(queue.bytes(), expected.size());
    ASSERT_EQ(queue.empty(), expected.empty());
  }
  EXPECT_GT(emptied, 10u);
}

TEST(OutputQueueTest, LetsGoOfAFrameThatWasSentAlthoughOthersWait) {
  OutputQueue queue;
  const auto frame = std::make_shared<const std::string>(5000, 'f');
  queue.Append(frame);
  queue.Append(std::make_shared<const std::string>(5000, 'g'));
  queue.Consume(4999);
  EXPECT_EQ(frame.use_count(), 2);
  queue.Consume(1);
  EXPECT_EQ(frame.use_count(), 1);
  EXPECT_EQ(SendableOf(queue), std::string(5000, 'g'));
}

TEST(OutputQueueTest, HoldsBackWhatCameAfterARoundWasAsked) {
  OutputQueue queue;
  queue.Append("before ");
  queue.HoldUntil(3);
  queue.Append("third ");
  queue.HoldUntil(4);
  queue.Append("fourth");
  EXPECT_EQ(SendableOf(queue), "before ");
  EXPECT_TRUE(queue.Release(2));
  EXPECT_EQ(SendableOf(queue), "before ");
  queue.Consume(7);
  EXPECT_TRUE(SendableOf(queue).empty());
  EXPECT_TRUE(queue.Release(3));
  EXPECT_EQ(SendableOf(queue), "third ");
  queue.Consume(2);
  EXPECT_FALSE(queue.Release(4));
  EXPECT_EQ(SendableOf(queue), "ird fourth");
  queue.Clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(SendableOf(queue).empty());
}

}  // namespace
}  // namespace chorale
