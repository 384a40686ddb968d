#include "bench/load/server_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "bench/load/clock.h"

namespace chorale::bench {
namespace {

constexpr std::string_view kFields =
    "S 7203 7203 5078 0 -1 4194304 88 153 0 0 28 17 3 4 20 0 1 0 29384 2654208 394 1844";

TEST(ServerProcessTest, StatTellsUserAndSystemTime) {
  ProcessFigures figures;
  ASSERT_TRUE(ParseStat("7207 (redis-server) " + std::string(kFields), &figures));
  EXPECT_EQ(figures.user_ticks, 28);
  EXPECT_EQ(figures.system_ticks, 17);
}

TEST(ServerProcessTest, AProgramsNameMayHaveBlanksAndParentheses) {
  ProcessFigures figures;
  ASSERT_TRUE(ParseStat("7207 (a) S 1 (b c) " + std::string(kFields) + "\n", &figures));
  EXPECT_EQ(figures.user_ticks, 28);
  EXPECT_EQ(figures.system_ticks, 17);
}

TEST(ServerProcessTest, AStatThatIsCutIsRefused) {
  ProcessFigures figures;
  EXPECT_FALSE(ParseStat("", &figures));
  EXPECT_FALSE(ParseStat("7207 (a) S 1 2 3", &figures));
  EXPECT_FALSE(ParseStat("7207 (a) S 7203 7203 5078 0 -1 4194304 88 153 0 0 x y", &figures));
}

TEST(ServerProcessTest, StatmTellsTheResidentPages) {
  ProcessFigures figures;
  ASSERT_TRUE(ParseStatm("2048 394 214 9 0 153 0\n", 4096, &figures));
  EXPECT_EQ(figures.resident_bytes, 394 * 4096);
  EXPECT_FALSE(ParseStatm("2048", 4096, &figures));
}

TEST(ServerProcessTest, SwitchesOfThreadsAddUp) {
  ProcessFigures figures;
  ASSERT_TRUE(AddSwitches(
      "Name:\tx\nvoluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t28\n", &figures));
  ASSERT_TRUE(AddSwitches("Name:\ty\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n",
                          &figures));
  EXPECT_EQ(figures.voluntary_switches, 11);
  EXPECT_EQ(figures.involuntary_switches, 30);
  EXPECT_FALSE(AddSwitches("Name:\tx\n", &figures));
}

TEST(ServerProcessTest, AProcessThatRunsHasFigures) {
  const absl::StatusOr<ProcessFigures> figures = ReadProcess(getpid());
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_GT(figures->cpu_nanoseconds, 0);
  EXPECT_GT(figures->resident_bytes, 0);
}

TEST(ServerProcessTest, CpuTimeOfEveryThreadCountsAlsoOfThoseThatHaveEnded) {
  const absl::StatusOr<ProcessFigures> before = ReadProcess(getpid());
  int64_t used = 0;
  std::thread([&] {
    while (used < kSecond / 100) used = ThreadCpuTime();
  }).join();
  const absl::StatusOr<ProcessFigures> after = ReadProcess(getpid());
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_GE(after->cpu_nanoseconds - before->cpu_nanoseconds, used);
}

TEST(ServerProcessTest, AProcessThatIsNotThereIsAnError) {
  EXPECT_EQ(ReadProcess(1 << 22).status().code(), absl::StatusCode::kNotFound);
}

TEST(ServerProcessTest, TheThreadsOfAProcessAreNamed) {
  const std::vector<pid_t> threads = ThreadsOf(getpid());
  EXPECT_NE(std::find(threads.begin(), threads.end(), getpid()), threads.end());
}

}  // namespace
}  // namespace chorale::bench
