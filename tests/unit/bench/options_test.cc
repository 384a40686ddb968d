#include "bench/load/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace chorale::bench {
namespace {

using testing::HasSubstr;

const Defaults* DefaultsOf(std::string_view name) {
  static const Defaults set{};
  static const Defaults group{.connections = 1, .deepest_pipeline = 50, .least_value_size = 16};
  return name == "set" ? &set : name == "group" ? &group : nullptr;
}

absl::StatusOr<Options> Read(std::vector<std::string_view> words) {
  return ReadOptions(words, DefaultsOf);
}

std::string ErrorOf(std::vector<std::string_view> words) {
  return std::string(Read(std::move(words)).status().message());
}

TEST(OptionsTest, WhatIsNotGivenHasTheWorkloadsDefault) {
  const absl::StatusOr<Options> options = Read({"--workload", "set"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->connections, 50U);
  EXPECT_EQ(options->keys, 100'000U);
  EXPECT_EQ(options->rate, 0);
  EXPECT_FALSE(options->server_pid);
}

TEST(OptionsTest, EveryOptionIsRead) {
  const absl::StatusOr<Options> options = Read({"--workload",     "set",
                                                "--host",         "::1",
                                                "--port",         "1234",
                                                "--threads",      "2",
                                                "--pipeline",     "16",
                                                "--seconds",      "0.5",
                                                "--warmup",       "0",
                                                "--rate",         "1e5",
                                                "--keys",         "7",
                                                "--distribution", "zipf",
                                                "--members",      "3",
                                                "--value-size",   "9",
                                                "--processes",    "4",
                                                "--server-pid",   "77",
                                                "--json",         "-",
                                                "--connections",  "5",
                                                "--progress",     "--unixsocket",
                                                "/tmp/s"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->address.host, "::1");
  EXPECT_EQ(options->address.port, 1234);
  EXPECT_EQ(options->address.unix_path, "/tmp/s");
  EXPECT_EQ(options->threads, 2U);
  EXPECT_EQ(options->connections, 5U);
  EXPECT_EQ(options->pipeline, 16U);
  EXPECT_EQ(options->seconds, 0.5);
  EXPECT_EQ(options->warmup, 0);
  EXPECT_EQ(options->rate, 1e5);
  EXPECT_EQ(options->keys, 7U);
  EXPECT_EQ(options->distribution, Distribution::kZipf);
  EXPECT_EQ(options->value_size, 9U);
  EXPECT_EQ(options->members, 3U);
  EXPECT_EQ(options->processes, 4U);
  EXPECT_EQ(options->server_pid, 77);
  EXPECT_EQ(options->json, "-");
  EXPECT_TRUE(options->progress);
}

TEST(OptionsTest, WhatIsUnknownIsNamed) {
  EXPECT_EQ(ErrorOf({"--workload", "set", "--speed", "9"}), "unknown option --speed");
  EXPECT_EQ(ErrorOf({"--workload", "set", "--speed"}), "unknown option --speed");
  EXPECT_EQ(ErrorOf({"set"}), "unknown option set");
  EXPECT_THAT(ErrorOf({"--workload", "fly"}), HasSubstr("unknown workload fly"));
}

TEST(OptionsTest, ABadValueIsRefused) {
  EXPECT_EQ(ErrorOf({"--workload", "set", "--port"}), "--port wants a value");
  EXPECT_EQ(ErrorOf({"--workload", "set", "--port", "0"}),
            "--port wants an integer from 1 to 65535");
  for (const std::string_view value : {"", "x", "-1", "1.5", "01", "99999999999"}) {
    EXPECT_THAT(ErrorOf({"--workload", "set", "--connections", value}), HasSubstr("an integer"))
        << value;
  }
  for (const std::string_view value : {"", "x", "-1", "nan", "inf", "1e9"}) {
    EXPECT_THAT(ErrorOf({"--workload", "set", "--seconds", value}), HasSubstr("a number")) << value;
  }
  EXPECT_THAT(ErrorOf({"--workload", "set", "--distribution", "flat"}), HasSubstr("uniform, zipf"));
  EXPECT_THAT(ErrorOf({}), HasSubstr("--workload"));
}

TEST(OptionsTest, AWorkloadHasBoundsOfItsOwn) {
  EXPECT_THAT(ErrorOf({"--workload", "group", "--pipeline", "51"}), HasSubstr("at most 50"));
  EXPECT_THAT(ErrorOf({"--workload", "group", "--value-size", "15"}), HasSubstr("at least 16"));
}

TEST(OptionsTest, AListNeedsNoWorkload) {
  EXPECT_TRUE(Read({"--list"}).ok());
  EXPECT_TRUE(Read({"--help"}).ok());
}

}  // namespace
}  // namespace chorale::bench
