#include "broker/scripting/native_scripts.h"

#include <gmock/gmock.h>

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

using testing::ElementsAre;

constexpr std::string_view kRecovery = "8d28fb4c84249684940e751f9f15170eb9a96e1a";
constexpr std::string_view kGroupSend = "5bcf6ea1d6c02c00f44e7030f4f9772a199deaf1";
constexpr std::string_view kFlush = "4d71449255c78343266920db788a2fc84a93ca58";

class NativeScriptsTest : public testing::Test {
 protected:
  std::string Run(std::string_view sha, std::vector<std::string_view> keys,
                  std::vector<std::string_view> arguments) {
    const NativeScript* script = FindNativeScript(sha);
    const ScriptArguments given{keys, arguments};
    if (script == nullptr || !script->accepts(given)) return "not accepted";
    touched_.clear();
    bounded_ = script->touched_keys(given, &touched_);
    std::string out;
    ReplyWriter reply(&out, 2);
    succeeded_ = script->run(given, script->sha, host_, reply);
    return out;
  }

  RecordingHost host_;
  std::vector<std::string_view> touched_;
  bool bounded_ = false;
  bool succeeded_ = false;
};

TEST_F(NativeScriptsTest, OtherScriptsAreNotRecognised) {
  EXPECT_EQ(FindNativeScript("e0e1f9fabfc9d4800c877a703b823ac0578ff8db"), nullptr);
}

TEST_F(NativeScriptsTest, RecoveryPutsTheBackupBackTheLastFirst) {
  host_.replies = {
      {"ZRANGE backup 0 -1 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$3\r\nb\r\n\r\n$3\r\n2.5\r\n"},
      {"DEL backup", ":1\r\n"}};
  EXPECT_EQ(Run(kRecovery, {}, {"queue", "backup"}), "$-1\r\n");
  EXPECT_THAT(host_.calls, ElementsAre("ZRANGE backup 0 -1 WITHSCORES", "ZADD queue 2.5 b\r\n",
                                       "ZADD queue 1 a", "DEL backup"));
  EXPECT_THAT(touched_, ElementsAre("queue", "backup"));
  EXPECT_TRUE(bounded_);
  EXPECT_TRUE(succeeded_);
}

TEST_F(NativeScriptsTest, AFailedCommandEndsTheScriptAndTellsTheLine) {
  host_.replies = {{"ZRANGE backup 0 -1 WITHSCORES", "-WRONGTYPE wrong\r\n"}};
  EXPECT_EQ(Run(kRecovery, {}, {"queue", "backup"}),
            "-WRONGTYPE wrong script: " + std::string(kRecovery) + ", on @user_script:2.\r\n");
  EXPECT_FALSE(succeeded_);
  EXPECT_THAT(host_.calls, ElementsAre("ZRANGE backup 0 -1 WITHSCORES"));
}

TEST_F(NativeScriptsTest, GroupSendCountsTheQueuesThatAreFull) {
  host_.replies = {{"ZCOUNT a -inf +inf", ":3\r\n"}, {"ZCOUNT b -inf +inf", ":4\r\n"}};
  EXPECT_EQ(Run(kGroupSend, {"a", "b"}, {"m1", "m2", "4", "4", "10.5", "60"}), ":1\r\n");
  EXPECT_THAT(host_.calls, ElementsAre("ZCOUNT a -inf +inf", "ZADD a 10.5 m1", "EXPIRE a 60",
                                       "ZCOUNT b -inf +inf"));
  EXPECT_THAT(touched_, ElementsAre("a", "b"));
}

TEST_F(NativeScriptsTest, ArgumentsOutOfTheOrdinaryAreLeftToLua) {
  EXPECT_EQ(Run(kRecovery, {}, {"queue"}), "not accepted");
  EXPECT_EQ(Run(kGroupSend, {"a"}, {"m"}), "not accepted");
  for (const char* capacity : {"", "x", "1e3", "0x10", " 5", "nan", "99999999999999999"}) {
    EXPECT_EQ(Run(kGroupSend, {"a"}, {"m", capacity, "1", "60"}), "not accepted") << capacity;
  }
  EXPECT_EQ(Run(kFlush, {}, {}), "not accepted");
}

TEST_F(NativeScriptsTest, FlushDeletesInPortions) {
  std::string keys = "*5001\r\n";
  for (int i = 0; i < 5001; ++i) keys += "$1\r\nk\r\n";
  host_.replies = {{"keys p*", keys}};
  EXPECT_EQ(Run(kFlush, {}, {"p*"}), "$-1\r\n");
  ASSERT_EQ(host_.calls.size(), 3U);
  EXPECT_EQ(host_.calls[1].size(), 3U + 2 * 5000);
  EXPECT_EQ(host_.calls[2], "del k");
  EXPECT_FALSE(bounded_);
}

}  // namespace
}  // namespace chorale
