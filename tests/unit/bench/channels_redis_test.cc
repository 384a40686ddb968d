#include "bench/load/workloads/channels_redis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/scripting/native_scripts.h"
#include "broker/scripting/sha1.h"

namespace chorale::bench::channels_redis {
namespace {

// What the broker knows is compared with the installed channels_redis in the end-to-end tests.
TEST(ChannelsRedisTest, TheBrokerRecognisesTheScripts) {
  const NativeScript* const recovery = FindNativeScript(Sha1Hex(kRecoveryScript));
  ASSERT_NE(recovery, nullptr);
  EXPECT_TRUE(recovery->recovers);
  const NativeScript* const group_send = FindNativeScript(Sha1Hex(kGroupSendScript));
  ASSERT_NE(group_send, nullptr);
  EXPECT_FALSE(group_send->recovers);
}

TEST(ChannelsRedisTest, ATimeIsWrittenAsPythonWritesAFloat) {
  EXPECT_EQ(Time(1796070682.3983808).text(), "1796070682.3983808");
  EXPECT_EQ(Time(1796070682.3997).text(), "1796070682.3997");
  EXPECT_EQ(Time(1796070682).text(), "1796070682.0");
  EXPECT_EQ(Time(1796070682.9).whole_seconds(), 1796070682);
}

TEST(ChannelsRedisTest, AProcessHasTheNamesThatChannelsRedisGives) {
  Random random(1);
  const Process process(random, 2);
  EXPECT_THAT(process.mailbox, testing::MatchesRegex("specific\\.[0-9a-f]*!"));
  EXPECT_EQ(process.mailbox.size(), 9U + 32 + 1);
  EXPECT_EQ(process.queue, "asgi" + process.mailbox);
  EXPECT_EQ(process.backup, process.queue + "$inflight");
  ASSERT_EQ(process.channels.size(), 2U);
  EXPECT_EQ(process.channels[0].substr(0, process.mailbox.size()), process.mailbox);
  EXPECT_EQ(process.channels[0].size(), process.mailbox.size() + 32);
  EXPECT_NE(process.channels[0], process.channels[1]);
  EXPECT_NE(Process(random, 1).mailbox, process.mailbox);
  EXPECT_EQ(GroupKey("g"), "asgi:group:g");
  EXPECT_EQ(GroupChannel("g"), "asgi__group__g");
}

}  // namespace
}  // namespace chorale::bench::channels_redis
