#include "storage/layers/unconsumed_messages.h"

#include <algorithm>

#include "storage/layers/past_members.h"
#include "storage/layers/pending_messages.h"

namespace chorale {

int64_t UnconsumedMessages::For(std::string_view channel) const {
  const auto found = by_channel_.find(channel);
  return found == by_channel_.end() ? 0 : found->second;
}

void UnconsumedMessages::Count(const MailboxEvent& message, const PastMembers& members,
                               int64_t change) {
  total_ += change;
  if (scope_ == CapacityScope::kMailbox) return;
  members.ForEachReceiver(message, [&](std::string_view channel) {
    const auto entry = by_channel_.try_emplace(channel, 0).first;
    entry->second += change;
    if (entry->second <= 0) by_channel_.erase(entry);
  });
}

uint64_t UnconsumedMessages::Consume(uint64_t consumed) {
  if (consumed <= consumed_) return 0;
  const uint64_t more = consumed - consumed_;
  consumed_ = consumed;
  total_ = std::max(int64_t{0}, total_ - static_cast<int64_t>(more));
  ForgetChannelsIfEmpty();
  return more;
}

void UnconsumedMessages::Correct(std::span<const Waiting> channels,
                                 const PendingMessages& pending) {
  for (const auto& [channel, still_waiting] : channels) {
    const auto found = by_channel_.find(channel);
    if (found == by_channel_.end()) continue;
    const int64_t waiting = std::min(found->second, still_waiting);
    found->second = std::min(found->second, waiting + pending.For(channel));
    if (found->second <= 0) by_channel_.erase(found);
  }
}

void UnconsumedMessages::DropAll() {
  total_ = 0;
  by_channel_.clear();
}

void UnconsumedMessages::Take(const UnconsumedMessages& later) {
  total_ += later.total_;
  for (const auto& [channel, count] : later.by_channel_) by_channel_[channel] += count;
}

void UnconsumedMessages::Clear() {
  DropAll();
  shown_ = consumed_ = 0;
}

}  // namespace chorale
