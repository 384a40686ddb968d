// A random history of two groups: members who come and go, and messages. It is played forwards, and
// notes who got each message.

#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/layers/mailbox.h"
#include "storage/layers/members.h"

namespace chorale {

struct RandomHistory {
  using Names = std::set<std::string>;

  explicit RandomHistory(std::mt19937& random) {
    for (uint64_t number = 1; number <= 40; ++number) {
      const std::string& group = groups[random() % groups.size()];
      const std::string& channel = channels[random() % channels.size()];
      MailboxEvent event{MailboxEvent::Kind::kGroupMessage, number, group, nullptr, {}, 0};
      Names receivers;
      switch (random() % 4) {
        case 0:
          event.kind = MailboxEvent::Kind::kJoin;
          if (now[group].Join(channel, 1)) event.channels = {channel};
          break;
        case 1:
          event.kind = MailboxEvent::Kind::kLeave;
          if (now[group].Discard(channel)) event.channels = {channel};
          if (now[group].empty()) now.erase(group);
          break;
        case 2:
          event.kind = MailboxEvent::Kind::kMessage;
          event.name = channel;
          receivers = {channel};
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
      steps.emplace_back(std::move(event), std::move(receivers));
    }
  }

  const std::vector<std::string> channels{"p!a", "p!b", "p!c", "p!d"};
  const std::vector<std::string> groups{"g", "h"};
  StringMap<Members> now;  // after the last step
  std::vector<std::pair<MailboxEvent, Names>> steps;
};

}  // namespace chorale
