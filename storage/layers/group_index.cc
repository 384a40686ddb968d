#include "storage/layers/group_index.h"

#include <algorithm>
#include <utility>

#include "storage/layers/unsaved_layers.h"

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
  DropExpired(group, joined, now_ms);
  shard.next_expiry_ms = std::min(shard.next_expiry_ms, expires_at_ms);
  size_t changed = 0;
  for (const std::string_view channel : channels) {
    const bool is_new = joined.channels.Join(channel, expires_at_ms);
    if (unsaved_ != nullptr) unsaved_->NoteMember(layer_, group, channel);
    changed += is_new ? 1 : 0;
  }
  return changed;
}

size_t GroupIndex::Discard(const std::string& group, std::span<const std::string_view> channels,
                           int64_t now_ms) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.groups.find(group);
  if (found == shard.groups.end()) return 0;
  DropExpired(group, found->second, now_ms);
  size_t changed = 0;
  for (const std::string_view channel : channels) {
    if (!found->second.channels.Discard(channel)) continue;
    if (unsaved_ != nullptr) unsaved_->NoteMember(layer_, group, channel);
    ++changed;
  }
  if (found->second.empty()) shard.groups.erase(found);
  return changed;
}

std::optional<int64_t> GroupIndex::ExpiryOf(std::string_view group, std::string_view channel) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.groups.find(group);
  return found == shard.groups.end() ? std::nullopt : found->second.channels.ExpiryOf(channel);
}

void GroupIndex::Restore(const std::string& group, std::string_view channel,
                         int64_t expires_at_ms) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  shard.groups[group].channels.Join(channel, expires_at_ms);
  shard.next_expiry_ms = std::min(shard.next_expiry_ms, expires_at_ms);
}

GroupIndex::Snapshot GroupIndex::Find(std::string_view group, int64_t now_ms) {
  Snapshot found;
  Find(group, now_ms, found);
  return found;
}

void GroupIndex::Find(std::string_view group, int64_t now_ms, Snapshot& found) {
  Shard& shard = ShardOf(group);
  absl::MutexLock lock(&shard.mutex);
  const auto in_shard = shard.groups.find(group);
  if (in_shard == shard.groups.end()) return;
  found.mailboxes.reserve(in_shard->second.mailboxes.size());
  for (const auto& [key, mailbox] : in_shard->second.mailboxes) found.mailboxes.push_back(mailbox);
  for (const Members::Member& member : in_shard->second.channels) {
    if (member.expires_at_ms > now_ms) found.channels.push_back(member.channel);
  }
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
    DropExpired(group->first, group->second, now_ms);
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

void GroupIndex::DropExpired(std::string_view name, Group& group, int64_t now_ms) {
  const std::vector<std::string> expired = group.channels.TakeExpired(now_ms);
  Add(counters_.expired_members, expired.size());
  if (unsaved_ == nullptr) return;
  for (const std::string& channel : expired) unsaved_->NoteMember(layer_, name, channel);
}

void GroupIndex::Flush() {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (auto group = shard.groups.begin(); group != shard.groups.end();) {
      if (unsaved_ != nullptr) {
        for (const Members::Member& member : group->second.channels) {
          unsaved_->NoteMember(layer_, group->first, member.channel);
        }
      }
      group->second.channels = {};
      const auto here = group++;
      if (here->second.empty()) shard.groups.erase(here);
    }
  }
}

}  // namespace chorale
