// What of the layers is not on disk yet: policies, mailboxes, and the memberships of general
// channels (a mailbox knows about its own). Thread-safe; its lock is taken under a mailbox's or a
// group's and nothing is locked under it but what on_change takes.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/string_map.h"

namespace chorale {

class Mailbox;

class UnsavedLayers {
 public:
  // `on_change` is called when something is to be written, with locks of the layers held; if
  // `always`, at every change, else when there may have been nothing to write before.
  UnsavedLayers(bool always, std::function<void()> on_change)
      : always_(always), on_change_(std::move(on_change)) {}

  void Note(const std::string& layer, std::shared_ptr<Mailbox> mailbox);
  // The same mailbox again, which was noted and is not saved yet.
  void NoteAgain() {
    if (always_) on_change_();
  }
  void NotePolicy(const std::string& layer);
  // The channel has joined the group or left it.
  void NoteMember(std::string_view layer, std::string_view group, std::string_view channel);

  struct Member {
    std::string layer, group, channel;
  };
  struct Changes {
    std::vector<std::string> policies;
    std::vector<std::pair<std::string, std::shared_ptr<Mailbox>>> mailboxes;  // with their layers
    std::vector<Member> members;
  };
  [[nodiscard]] Changes Take();

 private:
  // A layer's name has no NUL in it, a group's and a channel's neither.
  static std::string MemberKey(std::string_view layer, std::string_view group,
                               std::string_view channel);

  const bool always_;
  const std::function<void()> on_change_;
  absl::Mutex mutex_;
  Changes changes_ ABSL_GUARDED_BY(mutex_);  // without members
  StringSet members_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace chorale
