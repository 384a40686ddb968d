// How a mailbox is written to a data directory and read back.
//
// What is on disk is a mailbox at one moment: its members are those of after the last of its
// events. Events may therefore be held back only as long as no membership has changed.

#include <algorithm>
#include <utility>

#include "storage/layers/group_index.h"
#include "storage/layers/mailbox.h"
#include "storage/layers/unsaved_layers.h"

namespace chorale {
namespace {

std::string MemberName(std::string_view group, std::string_view channel) {
  std::string name(group);
  name.append(1, '\0').append(channel);
  return name;
}

}  // namespace

void Mailbox::NoteUnsaved() {
  if (surroundings_.unsaved == nullptr) return;
  if (std::exchange(unsaved_.noted, true)) {
    surroundings_.unsaved->NoteAgain();
  } else {
    surroundings_.unsaved->Note(surroundings_.layer, shared_from_this());
  }
}

void Mailbox::NoteMember(std::string_view group, std::string_view channel, bool was_there) {
  if (surroundings_.unsaved == nullptr) return;
  unsaved_.members.try_emplace(MemberName(group, channel), was_there);
  NoteUnsaved();
}

void Mailbox::NoteMemberGone(std::string_view group, std::string_view channel) {
  if (surroundings_.unsaved == nullptr) return;
  const auto [record, fresh] = unsaved_.members.try_emplace(MemberName(group, channel), true);
  if (!fresh && !record->second) unsaved_.members.erase(record);
  NoteUnsaved();
}

void Mailbox::Save(SaveScope scope, MailboxSaver& saver) {
  absl::MutexLock lock(&mutex_);
  unsaved_.noted = false;
  if (closed_) {
    if (std::exchange(unsaved_.on_disk, false)) saver.EraseAll();
    return;
  }
  uint64_t through = last_;
  if (unsaved_.members.empty() && !scope.all) {
    const auto held_back = std::find_if(
        events_.begin(), events_.end(),
        [&](const MailboxEvent& event) { return scope.hold_back.Has(event.sent_at_ms); });
    if (held_back != events_.end()) through = held_back->number - 1;
  }
  const bool members = !unsaved_.members.empty();
  SaveMembers(saver);
  const bool events = SaveEvents(through, saver);
  const bool state_changed = std::exchange(unsaved_.state, false);
  if (members || events || state_changed || scope.all) {
    unsaved_.on_disk = true;
    MailboxState state;
    state.epoch = epoch_;
    state.acknowledged = acknowledged_;
    state.last = unsaved_.end - 1;  // a complete round may have written what is held back now
    state.last_membership = last_membership_;
    state.consumed = messages_.consumed();
    state.acknowledged_messages = messages_.shown() - MessagesBetween(acknowledged_, shown_);
    state.unconsumed = messages_.total();
    state.unconsumed_by_channel = messages_.by_channel();
    state.capacity = capacity_;
    state.in_part = restored_ == Restored::kInPart;
    saver.PutState(state);
  }
  if (through < last_) NoteUnsaved();
}

void Mailbox::SaveMembers(MailboxSaver& saver) {
  for (const auto& [name, on_disk] : unsaved_.members) {
    const size_t end = name.find('\0');
    const auto group = groups_.find(std::string_view(name).substr(0, end));
    const auto expires_at_ms = group == groups_.end()
                                   ? std::nullopt
                                   : group->second.ExpiryOf(std::string_view(name).substr(end + 1));
    if (expires_at_ms) {
      saver.PutMember(name, *expires_at_ms);
    } else if (on_disk) {
      saver.EraseMember(name);
    }
  }
  unsaved_.members.clear();
}

bool Mailbox::SaveEvents(uint64_t through, MailboxSaver& saver) {
  bool any = false;
  const auto erase_before = [&](uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (unsaved_.begin >= end) return;
    saver.EraseEvents(unsaved_.begin, end);
    any = true;
  };
  if (unsaved_.epoch != epoch_) {
    erase_before(unsaved_.end);
    unsaved_.epoch = epoch_;
    unsaved_.begin = unsaved_.end = acknowledged_ + 1;
  }
  erase_before(std::min(acknowledged_ + 1, unsaved_.end));
  unsaved_.begin = acknowledged_ + 1;
  unsaved_.end = std::max(unsaved_.begin, unsaved_.end);
  for (auto event = After(unsaved_.end - 1); event != events_.end() && event->number <= through;
       ++event) {
    saver.PutEvent(*event);
    any = true;
  }
  unsaved_.end = std::max(unsaved_.end, through + 1);
  return any;
}

void Mailbox::Restore(MailboxState state, std::span<const RestoredMember> members,
                      std::vector<MailboxEvent> events, bool exact) {
  absl::MutexLock lock(&mutex_);
  for (const RestoredMember& member : members) {
    const auto [group, fresh] = groups_.try_emplace(member.group);
    if (fresh) surroundings_.groups.Enter(member.group, shared_from_this());
    group->second.Join(member.channel, member.expires_at_ms);
    next_leave_ms_ = std::min(next_leave_ms_, member.expires_at_ms);
  }
  restored_ = exact && !state.in_part ? Restored::kExactly : Restored::kInPart;
  epoch_ = state.epoch;
  acknowledged_ = state.acknowledged;
  last_ = shown_ = state.last;
  last_membership_ = state.last_membership;
  capacity_ = state.capacity;
  uint64_t shown = state.acknowledged_messages;
  for (MailboxEvent& event : events) {
    shown += IsMessage(event) ? 1 : 0;
    event_bytes_ += BytesOf(event);
    if (event.number <= last_membership_) membership_bytes_ += BytesOf(event);
    if (IsMessage(event)) next_expiry_ms_ = std::min(next_expiry_ms_, event.expires_at_ms);
    events_.push_back(std::move(event));
  }
  if (!state.unconsumed_by_channel.empty()) lapsed_.set_scope(CapacityScope::kChannel);
  messages_.Restore(state.unconsumed, shown, state.consumed,
                    std::move(state.unconsumed_by_channel));
  unsaved_.on_disk = true;
  unsaved_.epoch = epoch_;
  unsaved_.begin = acknowledged_ + 1;
  unsaved_.end = last_ + 1;
  // A second restart is to know, too.
  unsaved_.state = restored_ == Restored::kInPart && !state.in_part;
  if (unsaved_.state) NoteUnsaved();
}

uint64_t Mailbox::ShownBeforeRestart(const std::optional<Resume>& resume) const {
  if (!resume || resume->epoch != epoch_) return acknowledged_;
  // Until now that is the last event of before the restart; those behind it came afterwards.
  return std::clamp(resume->received, acknowledged_, shown_);
}

}  // namespace chorale
