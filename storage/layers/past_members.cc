#include "storage/layers/past_members.h"

#include "absl/container/flat_hash_set.h"
#include "storage/layers/mailbox.h"

namespace chorale {

using Kind = MailboxEvent::Kind;

void PastMembers::Undo(const MailboxEvent& event) {
  if (event.kind != Kind::kJoin && event.kind != Kind::kLeave) return;
  StringMap<bool>& group = then_[event.name];
  for (const std::string& channel : event.channels) group[channel] = event.kind == Kind::kLeave;
}

bool PastMembers::Contains(std::string_view group, std::string_view channel) const {
  if (const auto then = then_.find(group); then != then_.end()) {
    const auto known = then->second.find(channel);
    if (known != then->second.end()) return known->second;
  }
  const auto members = now_.find(group);
  return members != now_.end() && members->second.contains(channel);
}

size_t PastMembers::MostMembers(std::string_view group) const {
  const auto now = now_.find(group);
  const auto then = then_.find(group);
  return (now == now_.end() ? 0 : now->second.size()) +
         (then == then_.end() ? 0 : then->second.size());
}

void PastMembers::ForEachMember(std::string_view group,
                                const std::function<void(std::string_view)>& visit) const {
  const auto then = then_.find(group);
  const StringMap<bool>* const known = then == then_.end() ? nullptr : &then->second;
  if (const auto members = now_.find(group); members != now_.end()) {
    for (const Members::Member& member : members->second) {
      if (known == nullptr || !known->contains(member.channel)) visit(member.channel);
    }
  }
  if (known == nullptr) return;
  for (const auto& [channel, was_member] : *known) {
    if (was_member) visit(channel);
  }
}

void PastMembers::ForEachReceiver(const MailboxEvent& message,
                                  const std::function<void(std::string_view)>& visit) const {
  if (message.kind == Kind::kMessage) return visit(message.name);
  if (message.kind != Kind::kGroupMessage) return;
  const absl::flat_hash_set<std::string_view, StringHash, StringEqual> full(
      message.channels.begin(), message.channels.end());
  ForEachMember(message.name, [&](std::string_view channel) {
    if (!full.contains(channel)) visit(channel);
  });
}

}  // namespace chorale
