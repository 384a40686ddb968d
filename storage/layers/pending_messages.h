// How many of the messages that are on their way to a mailbox's owner are for each of some
// channels. Begins with none, like PastMembers, and takes the events from the newest on. Not
// thread-safe.
//
// A group's message is not looked at once for every channel: it costs one step, and a channel gets
// its share when its membership of the group begins, which is one step for each change of members,
// or at the end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "storage/database.h"
#include "storage/layers/members.h"
#include "storage/layers/past_members.h"

namespace chorale {

struct MailboxEvent;

class PendingMessages {
 public:
  // `now` are the groups after the newest event. They, the events and the names are to live as long
  // as this object.
  PendingMessages(const StringMap<Members>& now, std::span<const std::string_view> channels);

  void Undo(const MailboxEvent& event);
  // No event follows.
  void Finish();
  // Of one of the channels, once finished.
  int64_t For(std::string_view channel) const { return counts_.find(channel)->second; }

 private:
  void Count(std::string_view channel, int64_t change);
  // The messages of a group that were undone so far.
  int64_t MessagesTo(std::string_view group) const;

  using Counts = absl::flat_hash_map<std::string_view, int64_t, StringHash, StringEqual>;
  PastMembers members_;
  Counts counts_;  // by channel
  Counts groups_;  // messages that were undone, by group
};

}  // namespace chorale
