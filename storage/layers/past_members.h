// Who was in the groups of a mailbox at an earlier event: begins with the members of now, and
// undoes the events from the newest on. Not thread-safe.

#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "storage/database.h"
#include "storage/layers/members.h"

namespace chorale {

struct MailboxEvent;

class PastMembers {
 public:
  explicit PastMembers(const StringMap<Members>& now) : now_(now) {}

  // Goes back to before the event; one that is a message changes nothing.
  void Undo(const MailboxEvent& event);

  bool Contains(std::string_view group, std::string_view channel) const;
  // No less than the members of the group.
  size_t MostMembers(std::string_view group) const;
  // Calls visit(channel) for each member of the group.
  void ForEachMember(std::string_view group,
                     const std::function<void(std::string_view)>& visit) const;
  // Calls visit(channel) for each that a message which was sent then was for.
  void ForEachReceiver(const MailboxEvent& message,
                       const std::function<void(std::string_view)>& visit) const;

 private:
  const StringMap<Members>& now_;
  // By group and channel: who was in it then although he is not now, or the other way round.
  StringMap<StringMap<bool>> then_;
};

}  // namespace chorale
