#include "storage/layers/pending_messages.h"

#include "storage/layers/mailbox.h"

namespace chorale {

using Kind = MailboxEvent::Kind;

PendingMessages::PendingMessages(const StringMap<Members>& now,
                                 std::span<const std::string_view> channels)
    : members_(now) {
  for (const std::string_view channel : channels) counts_.emplace(channel, 0);
}

// Time runs backwards here: who joins was no member for the messages that are still to come, and
// who leaves was none for those that have been undone.
void PendingMessages::Undo(const MailboxEvent& event) {
  members_.Undo(event);
  switch (event.kind) {
    case Kind::kMessage:
      return Count(event.name, 1);
    case Kind::kGroupMessage:
      ++groups_[event.name];
      for (const std::string& full : event.channels) Count(full, -1);
      return;
    case Kind::kJoin:
      for (const std::string& channel : event.channels) Count(channel, MessagesTo(event.name));
      return;
    case Kind::kLeave:
      for (const std::string& channel : event.channels) Count(channel, -MessagesTo(event.name));
      return;
    case Kind::kReset:
      return;
  }
}

void PendingMessages::Finish() {
  for (const auto& [group, count] : groups_) {
    const int64_t messages = count;  // clang takes no structured binding into a lambda
    if (members_.MostMembers(group) < counts_.size()) {
      members_.ForEachMember(group, [&](std::string_view channel) { Count(channel, messages); });
      continue;
    }
    for (auto& [channel, pending] : counts_) {
      if (members_.Contains(group, channel)) pending += messages;
    }
  }
}

void PendingMessages::Count(std::string_view channel, int64_t change) {
  const auto found = counts_.find(channel);
  if (found != counts_.end()) found->second += change;
}

int64_t PendingMessages::MessagesTo(std::string_view group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? 0 : found->second;
}

}  // namespace chorale
