#include "storage/layers/members.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace chorale {
namespace {

using Strings = std::vector<std::string>;

TEST(MembersTest, ExpireAtTheirTimeAndNotBefore) {
  Members members;
  EXPECT_TRUE(members.Join("a", 10));
  EXPECT_TRUE(members.Join("b", 11));
  EXPECT_EQ(members.TakeExpired(9), Strings{});
  EXPECT_EQ(members.TakeExpired(10), Strings{"a"});
  EXPECT_FALSE(members.contains("a"));
  EXPECT_EQ(members.size(), 1u);
  EXPECT_EQ(members.TakeExpired(1000), Strings{"b"});
  EXPECT_TRUE(members.empty());
}

TEST(MembersTest, JoiningAgainRenewsAndMakesNoSecondMember) {
  Members members;
  members.Join("a", 10);
  members.Join("b", 11);
  EXPECT_FALSE(members.Join("a", 20));
  EXPECT_EQ(members.size(), 2u);
  EXPECT_EQ(members.TakeExpired(19), Strings{"b"});
  EXPECT_EQ(members.TakeExpired(20), Strings{"a"});
}

TEST(MembersTest, ExpireInTimeAlsoBehindSomeThatLiveLonger) {
  Members members;
  members.Join("long", 1000);
  members.Join("short", 10);
  members.Join("renewed", 1000);
  members.Join("renewed", 20);
  EXPECT_EQ(members.TakeExpired(10), Strings{"short"});
  EXPECT_EQ(members.TakeExpired(999), Strings{"renewed"});
  EXPECT_EQ(members.size(), 1u);
}

TEST(MembersTest, AreThoseOfAMapWhateverHappens) {
  std::mt19937 random(1);  // NOLINT: a fixed seed
  Members members;
  std::map<std::string, int64_t> model;
  int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::string channel = "c" + std::to_string(random() % 20);
    switch (random() % 4) {
      case 0:
      case 1: {
        const int64_t at = now + 1 + static_cast<int64_t>(random() % 30);
        EXPECT_EQ(members.Join(channel, at), !model.contains(channel));
        model[channel] = at;
        break;
      }
      case 2:
        EXPECT_EQ(members.Discard(channel), model.erase(channel) == 1);
        break;
      default: {
        now += static_cast<int64_t>(random() % 5);
        for (const std::string& expired : members.TakeExpired(now)) {
          ASSERT_TRUE(model.contains(expired));
          EXPECT_LE(model[expired], now);
          model.erase(expired);
        }
        for (const auto& [name, at] : model) EXPECT_GT(at, now) << name;
      }
    }
    ASSERT_EQ(members.size(), model.size());
    for (const Members::Member& member : members) {
      ASSERT_TRUE(members.contains(member.channel));
      ASSERT_EQ(model.at(member.channel), member.expires_at_ms);
    }
  }
}

}  // namespace
}  // namespace chorale
