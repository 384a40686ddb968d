#include "storage/layers/group_index.h"

#include <algorithm>
#include <utility>

namespace chorale {

void GroupIndex::Enter(const std::string& group, std::shared_ptr<Mailbox> mailbox) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const Mailbox* const key = mailbox.get();
  shard.groups[group].mailboxes.emplace(key, std::move(mailbox));
}

void GroupIndex::Exit(const std::string& group, const Mailbox* mailbox) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.groups.find(group);
  if (found == shard.groups.end()) return;
  found->second.mailboxes.erase(mailbox);
  if (found->second.empty()) shard.groups.erase(found);
}

size_t GroupIndex::Join(const std::string& group, std::span<const std::string_view> channels,
                        int64_t expires_at_ms, int64_t now_ms) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  Group& joined = shard.groups[group];
  DropExpired(joined, now_ms);
  shard.next_expiry_ms = std::min(shard.next_expiry_ms, expires_at_ms);
  size_t changed = 0;
  for (const std::string_view channel : channels) {
    changed += joined.channels.Join(channel, expires_at_ms) ? 1 : 0;
  }
  return changed;
}

size_t GroupIndex::Discard(const std::string& group, std::span<const std::string_view> channels,
                           int64_t now_ms) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.groups.find(group);
  if (found == shard.groups.end()) return 0;
  DropExpired(found->second, now_ms);
  size_t changed = 0;
  for (const std::string_view channel : channels) {
    changed += found->second.channels.Discard(channel) ? 1 : 0;
  }
  if (found->second.empty()) shard.groups.erase(found);
  return changed;
}

GroupIndex::Snapshot GroupIndex::Find(std::string_view group, int64_t now_ms) {
  Snapshot snapshot;
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.groups.find(group);
  if (found == shard.groups.end()) return snapshot;
  snapshot.mailboxes.reserve(found->second.mailboxes.size());
  for (const auto& [key, mailbox] : found->second.mailboxes) snapshot.mailboxes.push_back(mailbox);
  for (const Members::Member& member : found->second.channels) {
    if (member.expires_at_ms > now_ms) snapshot.channels.push_back(member.channel);
  }
  return snapshot;
}

std::vector<std::string> GroupIndex::Names() {
  std::vector<std::string> names;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (const auto& [name, group] : shard.groups) names.push_back(name);
  }
  return names;
}

void GroupIndex::Tidy(size_t part, int64_t now_ms) {
  Shard& shard = shards_[part];
  absl::MutexLock lock(&shard.mutex);
  if (now_ms < shard.next_expiry_ms) return;
  shard.next_expiry_ms = Members::kNever;
  for (auto group = shard.groups.begin(); group != shard.groups.end();) {
    DropExpired(group->second, now_ms);
    const int64_t next = group->second.channels.next_expiry_ms();
    shard.next_expiry_ms = std::min(shard.next_expiry_ms, next);
    const auto here = group++;
    if (here->second.empty()) shard.groups.erase(here);
  }
}

bool GroupIndex::empty() {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    if (!shard.groups.empty()) return false;
  }
  return true;
}

void GroupIndex::DropExpired(Group& group, int64_t now_ms) {
  Add(counters_.expired_members, group.channels.TakeExpired(now_ms).size());
}

void GroupIndex::Flush() {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (auto group = shard.groups.begin(); group != shard.groups.end();) {
      group->second.channels = {};
      const auto here = group++;
      if (here->second.empty()) shard.groups.erase(here);
    }
  }
}

}  // namespace chorale
