#include "storage/layers/past_members.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/unit/storage/layers/random_history.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;
using Names = RandomHistory::Names;

Names Receivers(const PastMembers& past, const MailboxEvent& message) {
  Names names;
  past.ForEachReceiver(message, [&](std::string_view channel) {
    EXPECT_TRUE(names.insert(std::string(channel)).second) << "twice";
  });
  return names;
}

TEST(PastMembersTest, AMessageToAChannelIsForThatChannel) {
  const StringMap<Members> none;
  const PastMembers past(none);
  const MailboxEvent message{Kind::kMessage, 1, "p!a", nullptr, {}, 0};
  EXPECT_EQ(Receivers(past, message), Names{"p!a"});
}

TEST(PastMembersTest, EveryMessageWasForThoseWhoWereThereAtTheTimeAndNotFull) {
  std::mt19937 random(1);  // NOLINT: a fixed seed
  for (int round = 0; round < 200; ++round) {
    const RandomHistory history(random);
    PastMembers past(history.now);
    for (auto step = history.steps.rbegin(); step != history.steps.rend(); ++step) {
      const auto& [event, receivers] = *step;
      past.Undo(event);
      ASSERT_EQ(Receivers(past, event), receivers);
      for (const std::string& group : history.groups) {
        Names members;
        past.ForEachMember(group, [&](std::string_view channel) { members.emplace(channel); });
        ASSERT_LE(members.size(), past.MostMembers(group));
        for (const std::string& channel : history.channels) {
          ASSERT_EQ(past.Contains(group, channel), members.contains(channel));
        }
      }
    }
    for (const std::string& group : history.groups) {
      for (const std::string& channel : history.channels) {
        ASSERT_FALSE(past.Contains(group, channel));
      }
    }
  }
}

}  // namespace
}  // namespace chorale
