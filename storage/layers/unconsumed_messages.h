// The messages that a mailbox was sent in one epoch and that the application has not consumed: what
// its capacity is compared with. In the channel scope those of each channel are counted, too. Not
// thread-safe.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "storage/database.h"
#include "storage/layers/policy.h"

namespace chorale {

class PastMembers;
class PendingMessages;
struct MailboxEvent;

class UnconsumedMessages {
 public:
  int64_t total() const { return total_; }
  int64_t For(std::string_view channel) const;
  bool counts_channels() const { return !by_channel_.empty(); }
  // How many the owner was sent, and how many of them were consumed.
  uint64_t shown() const { return shown_; }
  uint64_t consumed() const { return consumed_; }

  // Which scope counts, for the messages that come and go from here on.
  void set_scope(CapacityScope scope) { scope_ = scope; }
  // A message was sent to those of the `members` whom it is for.
  void Add(const MailboxEvent& message, const PastMembers& members) { Count(message, members, 1); }
  // It has expired before the owner was sent it.
  void Drop(const MailboxEvent& message, const PastMembers& members) {
    Count(message, members, -1);
    ForgetChannelsIfEmpty();
  }

  void Show() { ++shown_; }
  // What the owner was sent will be sent again.
  void Unshow(uint64_t messages) { shown_ -= messages; }

  // The application has consumed so many, of those shown, in all. Returns how many that is more
  // than before.
  uint64_t Consume(uint64_t consumed);
  // A channel, and how many of the messages that arrived still wait for it.
  using Waiting = std::pair<std::string_view, int64_t>;
  // What a channel's consumers have still to consume is what they said, and what is `pending`.
  void Correct(std::span<const Waiting> channels, const PendingMessages& pending);

  // The messages are gone, but not how many were shown and consumed.
  void DropAll();
  // Counts the messages of a later epoch as well.
  void Take(const UnconsumedMessages& later);
  // For a new epoch.
  void Clear();

  const StringMap<int64_t>& by_channel() const { return by_channel_; }
  // As they were before a restart; `shown` is what the owner is taken to have been sent.
  void Restore(int64_t total, uint64_t shown, uint64_t consumed, StringMap<int64_t> by_channel) {
    total_ = total;
    shown_ = shown;
    consumed_ = consumed;
    by_channel_ = std::move(by_channel);
  }

 private:
  void Count(const MailboxEvent& message, const PastMembers& members, int64_t change);
  // Also of channels that are gone, and that nobody acknowledges any more.
  void ForgetChannelsIfEmpty() {
    if (total_ == 0) by_channel_.clear();
  }

  int64_t total_ = 0;
  uint64_t shown_ = 0;
  uint64_t consumed_ = 0;
  CapacityScope scope_ = CapacityScope::kMailbox;
  StringMap<int64_t> by_channel_;
};

}  // namespace chorale
