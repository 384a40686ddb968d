#include "broker/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace chorale {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// A directory that is removed with its contents.
class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    directory_ = std::filesystem::path(::testing::TempDir()) / ("config_test_" + name);
    std::filesystem::create_directories(directory_);
  }
  ~ConfigTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& text) const {
    const std::string path = directory_ / "chorale.conf";
    std::ofstream(path) << text;
    return path;
  }

  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  static absl::Status Parse(Config& config, const std::vector<std::string>& words) {
    std::vector<std::string> copies = {"chorale-server"};
    copies.insert(copies.end(), words.begin(), words.end());
    std::vector<char*> arguments;
    for (std::string& word : copies) arguments.push_back(word.data());
    return config.ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
  }

  static std::string Value(const Config& config, std::string_view name) {
    const auto found = config.Get({name});
    return found.size() == 1 ? found[0].second : "(" + std::to_string(found.size()) + " options)";
  }

  static absl::Status Set(Config& config, std::string_view name, std::string_view value) {
    return config.Set({{name, value}});
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigTest, EveryOptionOfTheDesignExists) {
  const Config config;
  for (const char* name : {"port",
                           "bind",
                           "unixsocket",
                           "unixsocketperm",
                           "threads",
                           "io-threads",
                           "databases",
                           "requirepass",
                           "protected-mode",
                           "maxclients",
                           "maxmemory",
                           "timeout",
                           "tcp-keepalive",
                           "proto-max-bulk-len",
                           "max-arguments",
                           "layer-message-limit",
                           "mailbox-buffer-limit",
                           "client-query-buffer-limit",
                           "client-output-buffer-limit",
                           "blocking-reply-early-ms",
                           "lua-time-limit",
                           "busy-reply-threshold",
                           "enable-debug-command",
                           "dir",
                           "logfile",
                           "loglevel",
                           "slowlog-log-slower-than",
                           "slowlog-max-len",
                           "latency-monitor-threshold",
                           "save",
                           "appendonly",
                           "hash-max-listpack-entries",
                           "hash-max-ziplist-entries",
                           "shutdown-timeout"}) {
    EXPECT_EQ(config.Get({name}).size(), 1) << name;
  }
}

TEST_F(ConfigTest, AFileIsReadWithCommentsQuotesAndUnits) {
  Config config;
  const std::string path = Write(
      "# a comment\n"
      "\n"
      "  port 7000\n"
      "requirepass \"two words \\x41\"\n"
      "maxmemory 2gb\n"
      "TIMEOUT 5\n"
      "bind 127.0.0.1 -::1\n"
      "client-output-buffer-limit pubsub 1mb 512kb 10\n");
  ASSERT_TRUE(Parse(config, {path}).ok());
  EXPECT_EQ(config.port, 7000);
  EXPECT_EQ(config.requirepass.get(), "two words A");
  EXPECT_TRUE(config.has_password);
  EXPECT_EQ(config.maxmemory, int64_t{2} << 30);
  EXPECT_EQ(config.timeout_seconds, 5);
  EXPECT_EQ(config.bind.get(), "127.0.0.1 -::1");
  EXPECT_EQ(Value(config, "client-output-buffer-limit"),
            "normal 1073741824 0 0 slave 268435456 67108864 60 pubsub 1048576 524288 10");
}

TEST_F(ConfigTest, TheCommandLineOverridesTheFile) {
  Config config;
  ASSERT_TRUE(Parse(config, {Write("port 7000\ntimeout 5\n"), "--port", "7001"}).ok());
  EXPECT_EQ(config.port, 7001);
  EXPECT_EQ(config.timeout_seconds, 5);
}

TEST_F(ConfigTest, AnOptionOfTheCommandLineTakesEveryWordUpToTheNext) {
  Config config;
  ASSERT_TRUE(Parse(config, {"--bind", "127.0.0.1", "::1", "--port", "7000"}).ok());
  EXPECT_EQ(config.bind.get(), "127.0.0.1 ::1");
  EXPECT_EQ(config.port, 7000);
}

TEST_F(ConfigTest, WhatCannotBeReadIsNamedInOneLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"nosuchoption 1\n", "chorale.conf:1: unknown option 'nosuchoption'"},
      {"\nport abc\n", "chorale.conf:2: bad value 'abc' for option 'port'"},
      {"port 65536\n", "argument must be between 0 and 65535 inclusive"},
      {"requirepass \"open\n", "chorale.conf:1: unbalanced quotes"},
      {"protected-mode maybe\n", "argument must be 'yes' or 'no'"},
      {"appendonly maybe\n", "argument must be 'yes' or 'no'"},
      {"dir /no/such/directory\n", "No such file or directory"},
      {"unixsocketperm 999\n", "argument must be an octal file mode"},
  };
  for (const auto& [text, expected] : cases) {
    Config config;
    const absl::Status status = Parse(config, {Write(text)});
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected)) << text;
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("\n")));
  }
}

TEST_F(ConfigTest, ABadCommandLineIsNamed) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--nosuchoption", "1"}, "unknown option 'nosuchoption'"},
      {{"--port"}, "option 'port' needs a value"},
      {{"--port", "abc"}, "bad value 'abc' for option 'port'"},
      {{"-p", "1"}, "unexpected argument '-p'"},
      {{"/no/such/file.conf"}, "cannot read the configuration file '/no/such/file.conf'"},
  };
  for (const auto& [words, expected] : cases) {
    Config config;
    const absl::Status status = Parse(config, words);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected));
  }
}

TEST_F(ConfigTest, GetAnswersPatternsWithoutRegardToCase) {
  const Config config;
  EXPECT_THAT(config.Get({"PORT"}), ElementsAre(Pair("port", "6379")));
  EXPECT_THAT(config.Get({"zset-max-*value"}), ElementsAre(Pair("zset-max-listpack-value", "64"),
                                                           Pair("zset-max-ziplist-value", "64")));
  EXPECT_THAT(config.Get({"timeout", "time*"}), ElementsAre(Pair("timeout", "0")));
  EXPECT_THAT(config.Get({"nosuchoption"}), IsEmpty());
}

TEST_F(ConfigTest, SetChangesAllOfTheOptionsOrNone) {
  Config config;
  ASSERT_TRUE(config.Set({{"timeout", "7"}, {"maxmemory", "1mb"}}).ok());
  EXPECT_EQ(Value(config, "timeout"), "7");
  EXPECT_EQ(Value(config, "maxmemory"), "1048576");

  const absl::Status status = config.Set({{"timeout", "8"}, {"maxmemory", "lots"}});
  EXPECT_EQ(status.message(),
            "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a "
            "memory value");
  EXPECT_EQ(Value(config, "timeout"), "7");
}

TEST_F(ConfigTest, SetRefusesInRedissWords) {
  Config config;
  EXPECT_EQ(Set(config, "nosuchoption", "1").message(),
            "Unknown option or number of arguments for CONFIG SET - 'nosuchoption'");
  EXPECT_EQ(Set(config, "port", "1").message(),
            "CONFIG SET failed (possibly related to argument 'port') - can't set immutable config");
  EXPECT_EQ(config.Set({{"timeout", "1"}, {"timeout", "2"}}).message(),
            "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter");
  EXPECT_EQ(Set(config, "loglevel", "loud").message(),
            "CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must be one "
            "of the following: debug, verbose, notice, warning");
}

TEST_F(ConfigTest, AnOlderNameReachesTheSameOption) {
  Config config;
  ASSERT_TRUE(Set(config, "hash-max-ziplist-value", "99").ok());
  EXPECT_EQ(Value(config, "hash-max-listpack-value"), "99");
  ASSERT_TRUE(Set(config, "hash-max-ziplist-value", "64").ok());
}

TEST_F(ConfigTest, ABadOutputLimitLeavesTheOthersAsTheyWere) {
  Config config;
  const std::string before = Value(config, "client-output-buffer-limit");
  for (const char* bad : {"normal 0 0", "nobody 0 0 0", "normal x 0 0", "normal 0 0 -1",
                          "normal 1 1 1 pubsub 2 2 x"}) {
    EXPECT_FALSE(Set(config, "client-output-buffer-limit", bad).ok()) << bad;
    EXPECT_EQ(Value(config, "client-output-buffer-limit"), before) << bad;
  }
  ASSERT_TRUE(Set(config, "client-output-buffer-limit", "replica 1 2 3").ok());
  EXPECT_THAT(Value(config, "client-output-buffer-limit"), HasSubstr("slave 1 2 3"));
}

TEST_F(ConfigTest, RewriteKeepsCommentsOrderAndWhatHasNotChanged) {
  Config config;
  const std::string path = Write(
      "# my settings\n"
      "maxmemory 100mb\n"
      "\n"
      "timeout 5\n"
      "# the end\n");
  ASSERT_TRUE(Parse(config, {path}).ok());
  ASSERT_TRUE(config.Set({{"timeout", "9"}, {"requirepass", "a b \"c\""}}).ok());
  ASSERT_TRUE(config.Rewrite().ok());
  EXPECT_EQ(Read(path),
            "# my settings\n"
            "maxmemory 100mb\n"
            "\n"
            "timeout 9\n"
            "# the end\n"
            "requirepass \"a b \\\"c\\\"\"\n");

  Config again;
  ASSERT_TRUE(Parse(again, {path}).ok());
  EXPECT_EQ(again.requirepass.get(), "a b \"c\"");
  EXPECT_EQ(again.timeout_seconds, 9);
  EXPECT_EQ(again.maxmemory, 100 << 20);
}

TEST_F(ConfigTest, RewriteTwiceChangesNothingMore) {
  Config config;
  const std::string path = Write("timeout 5\ntimeout 6\n");
  ASSERT_TRUE(Parse(config, {path}).ok());
  ASSERT_TRUE(Set(config, "timeout", "7").ok());
  ASSERT_TRUE(config.Rewrite().ok());
  EXPECT_EQ(Read(path), "timeout 7\n");
  ASSERT_TRUE(config.Rewrite().ok());
  EXPECT_EQ(Read(path), "timeout 7\n");
}

TEST_F(ConfigTest, RewriteWithoutAFileSaysSo) {
  Config config;
  EXPECT_EQ(config.Rewrite().message(), "The server is running without a config file");
}

}  // namespace
}  // namespace chorale
