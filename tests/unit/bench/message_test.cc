#include "bench/load/workloads/message.h"

#include <gtest/gtest.h>

#include <vector>

namespace chorale::bench {
namespace {

using namespace std::string_literals;

// The bytes that msgpack.packb gives.
TEST(MessageTest, AMessageIsAMapOfTypeAndData) {
  EXPECT_EQ(EncodeMessage(3), "\x82\xa4type\xad"s + "bench.message\xa4" + "data\xc4\x03xxx");
}

TEST(MessageTest, TheDataHasTheLengthInAsFewBytesAsItNeeds) {
  const size_t bare = EncodeMessage(3).size() - 3;
  EXPECT_EQ(EncodeMessage(255).size(), bare + 255);
  EXPECT_EQ(EncodeMessage(256).size(), bare + 256 + 1);
  EXPECT_EQ(EncodeMessage(65'535).size(), bare + 65'535 + 1);
  EXPECT_EQ(EncodeMessage(65'536).size(), bare + 65'536 + 3);
  EXPECT_EQ(EncodeMessage(256).substr(bare - 2, 3), "\xc5\x01\x00"s);
  EXPECT_EQ(EncodeMessage(65'536).substr(bare - 2, 5), "\xc6\x00\x01\x00\x00"s);
}

TEST(MessageTest, AChannelIsATextAndSeveralAreAnArray) {
  const std::string begin = "\x83" + EncodeMessage(1).substr(1) + "\xb0__asgi_channel__";
  EXPECT_EQ(EncodeMessageTo(1, "a!b"), begin + "\xa3" + "a!b");
  const std::string large(40, 'c');
  EXPECT_EQ(EncodeMessageTo(1, large), begin + "\xd9\x28" + large);
  EXPECT_EQ(EncodeMessageTo(1, std::vector<std::string>{"a", "b"}),
            begin + "\x92\xa1" + "a\xa1" + "b");
  EXPECT_EQ(EncodeMessageTo(1, std::vector<std::string>(15, "a")).size(), begin.size() + 1 + 30);
  EXPECT_EQ(EncodeMessageTo(1, std::vector<std::string>(16, "a")).substr(0, begin.size() + 3),
            begin + "\xdc\x00\x10"s);
}

TEST(MessageTest, AStampIsReadWhereItWasWritten) {
  for (const size_t size : {16, 255, 256, 70'000}) {
    std::string message = EncodeMessage(size);
    WriteStamp({3, 5, 123'456'789}, message.data() + DataOffset(size));
    Stamp stamp;
    ASSERT_TRUE(ReadStamp(message, DataOffset(size), &stamp));
    EXPECT_EQ(stamp.sender, 3U);
    EXPECT_EQ(stamp.slot, 5U);
    EXPECT_EQ(stamp.intended, 123'456'789);
    EXPECT_EQ(message.size(), EncodeMessage(size).size());
  }
}

TEST(MessageTest, AMessageThatIsTooShortHasNoStamp) {
  Stamp stamp;
  EXPECT_FALSE(ReadStamp(std::string(15, 'x'), 0, &stamp));
  EXPECT_FALSE(ReadStamp(std::string(20, 'x'), 5, &stamp));
}

}  // namespace
}  // namespace chorale::bench
