#include "storage/layers/past_members.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/layers/mailbox.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;
using Names = std::set<std::string>;

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
  EXPECT_TRUE(past.Got("p!a", message));
  EXPECT_FALSE(past.Got("p!b", message));
}

// Plays a random history forwards, noting who got each message, and then undoes it.
TEST(PastMembersTest, EveryMessageWasForThoseWhoWereThereAtTheTimeAndNotFull) {
  std::mt19937 random(1);  // NOLINT: a fixed seed
  const std::vector<std::string> channels{"p!a", "p!b", "p!c", "p!d"};
  const std::vector<std::string> groups{"g", "h"};
  for (int round = 0; round < 200; ++round) {
    StringMap<Members> now;
    std::vector<std::pair<MailboxEvent, Names>> history;
    for (uint64_t number = 1; number <= 40; ++number) {
      const std::string& group = groups[random() % groups.size()];
      const std::string& channel = channels[random() % channels.size()];
      MailboxEvent event{Kind::kGroupMessage, number, group, nullptr, {}, 0};
      Names receivers;
      switch (random() % 3) {
        case 0:
          event.kind = Kind::kJoin;
          if (now[group].Join(channel, 1)) event.channels = {channel};
          break;
        case 1:
          event.kind = Kind::kLeave;
          if (now[group].Discard(channel)) event.channels = {channel};
          if (now[group].empty()) now.erase(group);
          break;
        default:
          if (!now.contains(group)) continue;
          for (const auto& member : now[group]) {
            if (random() % 4 == 0) {
              event.channels.push_back(member.channel);
            } else {
              receivers.insert(member.channel);
            }
          }
      }
      history.emplace_back(std::move(event), std::move(receivers));
    }
    PastMembers past(now);
    for (auto step = history.rbegin(); step != history.rend(); ++step) {
      const auto& [event, receivers] = *step;
      past.Undo(event);
      if (event.kind != Kind::kGroupMessage) continue;
      ASSERT_EQ(Receivers(past, event), receivers);
      for (const std::string& channel : channels) {
        ASSERT_EQ(past.Got(channel, event), receivers.contains(channel));
      }
    }
    for (const std::string& group : groups) {
      for (const std::string& channel : channels) ASSERT_FALSE(past.Contains(group, channel));
    }
  }
}

}  // namespace
}  // namespace chorale
