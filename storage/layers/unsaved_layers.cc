#include "storage/layers/unsaved_layers.h"

namespace chorale {

void UnsavedLayers::Note(const std::string& layer, std::shared_ptr<Mailbox> mailbox) {
  {
    absl::MutexLock lock(&mutex_);
    changes_.mailboxes.emplace_back(layer, std::move(mailbox));
  }
  on_change_();
}

void UnsavedLayers::NotePolicy(const std::string& layer) {
  {
    absl::MutexLock lock(&mutex_);
    changes_.policies.push_back(layer);
  }
  on_change_();
}

// Also one that came and went: a round may be writing its row just now.
void UnsavedLayers::NoteMember(std::string_view layer, std::string_view group,
                               std::string_view channel) {
  {
    absl::MutexLock lock(&mutex_);
    members_.insert(MemberKey(layer, group, channel));
  }
  on_change_();
}

UnsavedLayers::Changes UnsavedLayers::Take() {
  Changes taken;
  StringSet members;
  {
    absl::MutexLock lock(&mutex_);
    std::swap(taken, changes_);
    members.swap(members_);
  }
  for (const std::string& key : members) {
    const size_t group = key.find('\0') + 1;
    const size_t channel = key.find('\0', group) + 1;
    taken.members.push_back(
        {key.substr(0, group - 1), key.substr(group, channel - group - 1), key.substr(channel)});
  }
  return taken;
}

std::string UnsavedLayers::MemberKey(std::string_view layer, std::string_view group,
                                     std::string_view channel) {
  std::string key(layer);
  key.append(1, '\0').append(group).append(1, '\0').append(channel);
  return key;
}

}  // namespace chorale
