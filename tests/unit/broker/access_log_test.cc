#include "broker/access_log.h"

#include <gtest/gtest.h>

namespace chorale {
namespace {

constexpr size_t kLength = 3;

TEST(AccessLog, CountsTheSameAttemptWithinAMinuteInOneEntry) {
  AccessLog log;
  log.Add("auth", "default", "first", 1000, kLength);
  log.Add("hello", "default", "other", 2000, kLength);
  log.Add("auth", "default", "second", 61000, kLength);
  const auto entries = log.Latest(10);
  ASSERT_EQ(entries.size(), 2);
  EXPECT_EQ(entries[0].object, "auth");
  EXPECT_EQ(entries[0].count, 2);
  EXPECT_EQ(entries[0].client, "second");
  EXPECT_EQ(entries[0].created_ms, 1000);
  EXPECT_EQ(entries[0].updated_ms, 61000);
  EXPECT_EQ(entries[1].object, "hello");

  log.Add("auth", "default", "third", 121001, kLength);
  EXPECT_EQ(log.Latest(10).size(), 3);
  EXPECT_EQ(log.Latest(1)[0].count, 1);
  EXPECT_EQ(log.Latest(1)[0].id, 2);
}

TEST(AccessLog, KeepsTheLatestEntries) {
  AccessLog log;
  for (const char* user : {"a", "b", "c", "d"}) log.Add("auth", user, "", 0, kLength);
  const auto entries = log.Latest(10);
  ASSERT_EQ(entries.size(), kLength);
  EXPECT_EQ(entries.front().user, "d");
  EXPECT_EQ(entries.back().user, "b");
  log.Clear();
  EXPECT_TRUE(log.Latest(10).empty());
}

TEST(AccessLog, KeepsTheBeginningOfALongName) {
  AccessLog log;
  log.Add("auth", std::string(1'000'000, 'x'), "", 0, kLength);
  EXPECT_EQ(log.Latest(1)[0].user, std::string(128, 'x'));
}

TEST(AccessLog, KeepsNothingWhenItsLengthIsZero) {
  AccessLog log;
  log.Add("auth", "default", "", 0, 0);
  EXPECT_TRUE(log.Latest(1).empty());
}

}  // namespace
}  // namespace chorale
