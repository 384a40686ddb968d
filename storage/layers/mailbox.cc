#include "storage/layers/mailbox.h"

#include <algorithm>
#include <random>

#include "absl/container/flat_hash_set.h"
#include "storage/layers/group_index.h"
#include "storage/layers/past_members.h"
#include "storage/layers/pending_messages.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;

// Unlike that of any other mailbox, also one of an earlier life of the broker; exact as a double,
// for clients that have no other numbers.
uint64_t NewEpoch() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return 1 + (random() >> 12);
}

}  // namespace

size_t BytesOf(const MailboxEvent& event) {
  size_t bytes = sizeof(event) + event.name.size();
  if (event.message != nullptr) bytes += event.message->size();
  for (const std::string& channel : event.channels) bytes += sizeof(channel) + channel.size();
  return bytes;
}

Mailbox::Mailbox(std::string name, const Surroundings& surroundings, int64_t now_ms)
    : name_(std::move(name)),
      surroundings_(surroundings),
      gone_at_ms_(now_ms),
      epoch_(NewEpoch()) {}

// ---- the owner's side ----

std::optional<Mailbox::Opened> Mailbox::Open(std::shared_ptr<MailboxOwner> owner,
                                             std::optional<Resume> resume,
                                             std::optional<int64_t> capacity, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return std::nullopt;
  if (owner_ != nullptr && owner_ != owner) owner_->BeTaken(ended_ ? ended_->name : epoch_);
  owner_ = std::move(owner);
  capacity_ = capacity;
  wake_pending_ = false;
  ended_.reset();
  const Restored restored = std::exchange(restored_, Restored::kNo);
  if (restored != Restored::kNo) {
    lapsed_.Clear();
    next_expiry_ms_ = 0;
  }
  if (restored != Restored::kInPart && resume && Fits(*resume)) {
    DropAcknowledged(resume->received);
    // What was under way to the former owner is sent again.
    messages_.Unshow(MessagesBetween(resume->received, shown_));
    shown_ = resume->received;
    next_expiry_ms_ = 0;
    DropExpiredMessages(now_ms);
    chorale::Add(surroundings_.counters.resumed);
  } else {
    if (restored != Restored::kNo) shown_ = ShownBeforeRestart(resume);
    DropExpiredMessages(now_ms);
    // Nothing is sent twice: what the former owner was sent is gone with him.
    if (After(shown_) != events_.begin()) chorale::Add(surroundings_.counters.reset);
    BeginEpoch(TakeUnshownMessages());
  }
  if (shown_ < last_) WakeOwner();
  return Opened{epoch_, shown_};
}

void Mailbox::Leave(const MailboxOwner* owner, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (owner_.get() != owner) return;
  owner_.reset();
  ended_.reset();
  gone_at_ms_ = now_ms;
}

bool Mailbox::Take(const MailboxOwner* owner, Room room, int64_t now_ms,
                   const std::function<void(uint64_t, const MailboxEvent&)>& show) {
  absl::MutexLock lock(&mutex_);
  if (owner_.get() != owner) return true;
  DropExpiredMessages(now_ms);
  if (ended_) {
    const char* why = ended_->why == Why::kFlush ? "flush" : "overflow";
    show(ended_->name, {Kind::kReset, epoch_, why, nullptr, {}, 0, 0});
    ended_.reset();
  }
  size_t bytes = 0;
  auto event = After(shown_);
  for (; room.events > 0 && bytes < room.bytes && event != events_.end(); ++event, --room.events) {
    show(epoch_, *event);
    bytes += BytesOf(*event);
    shown_ = event->number;
    if (IsMessage(*event)) messages_.Show();
  }
  wake_pending_ = event != events_.end();
  return !wake_pending_;
}

Mailbox::Acknowledged Mailbox::Acknowledge(const MailboxOwner* owner, const Progress& progress) {
  absl::MutexLock lock(&mutex_);
  if (owner_.get() != owner) return Acknowledged::kNotTheOwner;
  if (progress.epoch.value_or(epoch_) != epoch_) return AcknowledgeEnded(progress);
  if (progress.received > shown_ || progress.consumed > messages_.shown()) {
    return Acknowledged::kNeverSent;
  }
  DropAcknowledged(progress.received);
  chorale::Add(surroundings_.counters.received, messages_.Consume(progress.consumed));
  CorrectChannels(progress.waiting);
  return Acknowledged::kYes;
}

// ---- senders ----

Mailbox::Sent Mailbox::Send(std::string_view channel, std::shared_ptr<const std::string> message,
                            const LayerPolicy& policy, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return Sent::kClosed;
  bool full = IsFull(channel, policy);
  if (full) {
    DropExpiredMessages(now_ms);
    full = IsFull(channel, policy);
  }
  if (full) {
    chorale::Add(surroundings_.counters.full);
    return Sent::kFull;
  }
  messages_.set_scope(policy.scope);
  MailboxEvent event{
      Kind::kMessage, 0, std::string(channel), std::move(message), {}, now_ms + policy.expiry_ms,
      now_ms};
  messages_.Add(event, PastMembers(groups_));
  chorale::Add(surroundings_.counters.sent);
  Add(std::move(event));
  return Sent::kYes;
}

Mailbox::Reached Mailbox::SendToGroup(const std::string& group,
                                      const std::shared_ptr<const std::string>& message,
                                      const LayerPolicy& policy, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  const Members* const members = LiveMembers(group, now_ms);
  if (members == nullptr) return {};
  const auto count = static_cast<int64_t>(members->size());
  MailboxEvent event{Kind::kGroupMessage, 0, group, message, {}, now_ms + policy.expiry_ms, now_ms};
  if (policy.scope == CapacityScope::kChannel) {
    event.channels = FullMembers(*members, policy);
    if (!event.channels.empty()) {
      DropExpiredMessages(now_ms);
      event.channels = FullMembers(*members, policy);
    }
  } else if (IsFull({}, policy)) {
    DropExpiredMessages(now_ms);
    if (IsFull({}, policy)) {
      chorale::Add(surroundings_.counters.group_full, static_cast<uint64_t>(count));
      return {0, count};
    }
  }
  const auto full = static_cast<int64_t>(event.channels.size());
  chorale::Add(surroundings_.counters.group_full, static_cast<uint64_t>(full));
  if (full == count) return {0, full};
  messages_.set_scope(policy.scope);
  messages_.Add(event, PastMembers(groups_));
  chorale::Add(surroundings_.counters.group_messages, static_cast<uint64_t>(count - full));
  Add(std::move(event));
  return {count - full, full};
}

int64_t Mailbox::Unread(int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return -1;
  DropExpiredMessages(now_ms);
  return CountUnconsumed();
}

// ---- memberships ----

std::optional<size_t> Mailbox::Join(const std::string& group,
                                    std::span<const std::string_view> channels,
                                    int64_t expires_at_ms, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return std::nullopt;
  Members* members = LiveMembers(group, now_ms);
  if (members == nullptr) {
    members = &groups_[group];
    surroundings_.groups.Enter(group, shared_from_this());
  }
  MailboxEvent event{Kind::kJoin, 0, group, nullptr, {}, 0, now_ms};
  for (const std::string_view channel : channels) {
    const bool joined = members->Join(channel, expires_at_ms);
    NoteMember(group, channel, !joined);
    if (joined) event.channels.emplace_back(channel);
  }
  next_leave_ms_ = std::min(next_leave_ms_, expires_at_ms);
  const size_t changed = event.channels.size();
  if (changed > 0) Add(std::move(event));
  return changed;
}

std::optional<size_t> Mailbox::Discard(const std::string& group,
                                       std::span<const std::string_view> channels, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return std::nullopt;
  Members* const members = LiveMembers(group, now_ms);
  if (members == nullptr) return 0;
  MailboxEvent event{Kind::kLeave, 0, group, nullptr, {}, 0, now_ms};
  for (const std::string_view channel : channels) {
    if (!members->Discard(channel)) continue;
    NoteMemberGone(group, channel);
    event.channels.emplace_back(channel);
  }
  if (members->empty()) {
    surroundings_.groups.Exit(group, this);
    groups_.erase(group);
  }
  const size_t changed = event.channels.size();
  if (changed > 0) Add(std::move(event));
  return changed;
}

std::vector<std::string> Mailbox::MembersOf(const std::string& group, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  const Members* const members = LiveMembers(group, now_ms);
  if (members == nullptr) return names;
  for (const Members::Member& member : *members) names.push_back(member.channel);
  return names;
}

// ---- housekeeping ----

bool Mailbox::Close(const MailboxOwner* owner) {
  absl::MutexLock lock(&mutex_);
  if (closed_ || owner_.get() != owner) return false;
  CloseLocked();
  return true;
}

bool Mailbox::Tidy(int64_t grace_ms, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (!closed_ && owner_ == nullptr && now_ms - gone_at_ms_ > grace_ms) {
    if (!events_.empty()) chorale::Add(surroundings_.counters.reset);
    CloseLocked();
  }
  if (closed_) return true;
  DropExpiredMembers(now_ms);
  DropExpiredMessages(now_ms);
  return false;
}

void Mailbox::Flush() {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  LeaveAllGroups();
  Reset(Why::kFlush);
}

Mailbox::State Mailbox::state() const {
  absl::MutexLock lock(&mutex_);
  State state{owner_ != nullptr, CountUnconsumed(), event_bytes_, 0};
  for (const auto& [group, members] : groups_) state.memberships += members.size();
  return state;
}

// ---- under the lock ----

void Mailbox::Add(MailboxEvent event) {
  event.number = ++last_;
  event_bytes_ += BytesOf(event);
  if (IsMessage(event)) next_expiry_ms_ = std::min(next_expiry_ms_, event.expires_at_ms);
  events_.push_back(std::move(event));
  NoteUnsaved();
  // The memberships with which the epoch began would be there again after a reset.
  if (event_bytes_ - membership_bytes_ > surroundings_.most_bytes()) Reset(Why::kOverflow);
  WakeOwner();
}

// As the first events of an epoch, whose owner knows nothing.
void Mailbox::AddMemberships() {
  for (const auto& [group, members] : groups_) {
    MailboxEvent event{Kind::kJoin, ++last_, group, nullptr, {}, 0, 0};
    for (const Members::Member& member : members) event.channels.push_back(member.channel);
    event_bytes_ += BytesOf(event);
    events_.push_back(std::move(event));
  }
  last_membership_ = last_;
  membership_bytes_ = event_bytes_;
}

void Mailbox::WakeOwner() {
  if (owner_ == nullptr || std::exchange(wake_pending_, true)) return;
  owner_->Wake();
}

bool Mailbox::IsFull(std::string_view channel, const LayerPolicy& policy) {
  if (policy.scope == CapacityScope::kMailbox) {
    return CountUnconsumed() >= capacity_.value_or(policy.CapacityOf(name_));
  }
  return CountUnconsumed(channel) >= policy.CapacityOf(channel);
}

int64_t Mailbox::CountUnconsumed() const {
  return messages_.total() - lapsed_.total() + (ended_ ? ended_->messages.total() : 0);
}

int64_t Mailbox::CountUnconsumed(std::string_view channel) const {
  return messages_.For(channel) - lapsed_.For(channel) +
         (ended_ ? ended_->messages.For(channel) : 0);
}

std::vector<std::string> Mailbox::FullMembers(const Members& members, const LayerPolicy& policy) {
  std::vector<std::string> full;
  for (const Members::Member& member : members) {
    if (IsFull(member.channel, policy)) full.push_back(member.channel);
  }
  return full;
}

void Mailbox::CorrectChannels(std::span<const UnconsumedMessages::Waiting> channels) {
  if (!messages_.counts_channels() || channels.empty()) return;
  std::vector<std::string_view> names;
  for (const auto& [channel, waiting] : channels) names.push_back(channel);
  PendingMessages pending(groups_, names);
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) pending.Undo(*event);
  pending.Finish();
  messages_.Correct(channels, pending);
}

std::deque<MailboxEvent>::iterator Mailbox::After(uint64_t number) {
  return std::upper_bound(
      events_.begin(), events_.end(), number,
      [](uint64_t wanted, const MailboxEvent& event) { return wanted < event.number; });
}

uint64_t Mailbox::MessagesBetween(uint64_t after, uint64_t last) {
  return static_cast<uint64_t>(std::count_if(After(after), After(last), IsMessage));
}

// Not if it were to send again what is consumed already.
bool Mailbox::Fits(const Resume& resume) {
  return resume.epoch == epoch_ && resume.received >= acknowledged_ && resume.received <= shown_ &&
         messages_.consumed() + MessagesBetween(resume.received, shown_) <= messages_.shown();
}

void Mailbox::DropAcknowledged(uint64_t received) {
  for (; !events_.empty() && events_.front().number <= received; events_.pop_front()) {
    const size_t bytes = BytesOf(events_.front());
    event_bytes_ -= bytes;
    if (events_.front().number <= last_membership_) membership_bytes_ -= bytes;
  }
  acknowledged_ = std::max(acknowledged_, received);
  if (unsaved_.begin < unsaved_.end && unsaved_.begin <= received) NoteUnsaved();
}

void Mailbox::DropExpiredMessages(int64_t now_ms) {
  if (now_ms < next_expiry_ms_) return;
  next_expiry_ms_ = kNever;
  const auto expired = [now_ms](const MailboxEvent& event) {
    return IsMessage(event) && event.expires_at_ms <= now_ms;
  };
  PastMembers members(groups_);
  auto event = events_.rbegin();
  for (; event != events_.rend() && event->number > shown_; ++event) {
    members.Undo(*event);
    if (expired(*event)) {
      event_bytes_ -= BytesOf(*event);
      messages_.Drop(*event, members);
      chorale::Add(surroundings_.counters.expired);
    } else if (IsMessage(*event)) {
      next_expiry_ms_ = std::min(next_expiry_ms_, event->expires_at_ms);
    }
  }
  if (restored_ != Restored::kNo) {
    lapsed_.Clear();
    uint64_t shown = messages_.shown();
    for (; event != events_.rend(); ++event) {
      members.Undo(*event);
      if (!IsMessage(*event)) continue;
      const bool consumed = shown-- <= messages_.consumed();
      if (!expired(*event)) {
        next_expiry_ms_ = std::min(next_expiry_ms_, event->expires_at_ms);
      } else if (!consumed) {
        lapsed_.Add(*event, members);
      }
    }
  }
  events_.erase(std::remove_if(After(shown_), events_.end(), expired), events_.end());
}

// The owner of a new epoch begins with the members of now. Whoever has joined after a message is
// left out of it, and a message that is left without a member is for nobody.
std::deque<MailboxEvent> Mailbox::TakeUnshownMessages() {
  std::deque<MailboxEvent> messages;
  PastMembers past(groups_);
  for (; !events_.empty() && events_.back().number > shown_; events_.pop_back()) {
    MailboxEvent& event = events_.back();
    past.Undo(event);
    if (!IsMessage(event)) continue;
    if (event.kind == Kind::kGroupMessage && !LeaveOutOthers(event, past)) continue;
    messages.push_front(std::move(event));
  }
  return messages;
}

bool Mailbox::LeaveOutOthers(MailboxEvent& message, const PastMembers& past) {
  const auto members = groups_.find(message.name);
  if (members == groups_.end()) return false;
  absl::flat_hash_set<std::string_view, StringHash, StringEqual> receivers;
  std::vector<std::string> others;
  past.ForEachReceiver(message, [&](std::string_view channel) { receivers.insert(channel); });
  for (const Members::Member& member : members->second) {
    if (!receivers.contains(member.channel)) others.push_back(member.channel);
  }
  message.channels = std::move(others);
  return message.channels.size() < members->second.size();
}

void Mailbox::DropExpiredMembers(int64_t now_ms) {
  if (now_ms < next_leave_ms_) return;
  std::vector<std::string> groups;
  next_leave_ms_ = kNever;
  for (const auto& [group, members] : groups_) {
    if (members.next_expiry_ms() <= now_ms) {
      groups.push_back(group);
    } else {
      next_leave_ms_ = std::min(next_leave_ms_, members.next_expiry_ms());
    }
  }
  for (const std::string& group : groups) {
    const Members* const left = LiveMembers(group, now_ms);
    if (left != nullptr) next_leave_ms_ = std::min(next_leave_ms_, left->next_expiry_ms());
  }
}

Members* Mailbox::LiveMembers(const std::string& group, int64_t now_ms) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return nullptr;
  std::vector<std::string> expired = found->second.TakeExpired(now_ms);
  const bool gone = found->second.empty();
  if (gone) {
    surroundings_.groups.Exit(group, this);
    groups_.erase(found);
  }
  if (!expired.empty()) {
    chorale::Add(surroundings_.counters.expired_members, expired.size());
    for (const std::string& channel : expired) NoteMemberGone(group, channel);
    Add({Kind::kLeave, 0, group, nullptr, std::move(expired), 0, now_ms});
  }
  if (gone) return nullptr;
  return &groups_.find(group)->second;
}

void Mailbox::BeginEpoch(std::deque<MailboxEvent> kept) {
  epoch_ = NewEpoch();
  acknowledged_ = shown_ = last_ = 0;
  messages_.Clear();
  lapsed_.Clear();
  events_.clear();
  event_bytes_ = 0;
  next_expiry_ms_ = kNever;
  if (unsaved_.on_disk || !kept.empty()) NoteUnsaved();
  AddMemberships();
  const PastMembers members(groups_);
  for (MailboxEvent& event : kept) {
    event.number = ++last_;
    event_bytes_ += BytesOf(event);
    next_expiry_ms_ = std::min(next_expiry_ms_, event.expires_at_ms);
    messages_.Add(event, members);
    events_.push_back(std::move(event));
  }
}

void Mailbox::Reset(Why why) {
  if (!events_.empty()) chorale::Add(surroundings_.counters.reset);
  if (owner_ != nullptr) EndEpoch(why);
  BeginEpoch({});
  if (ended_) WakeOwner();
}

// Several that end before the owner is told are one to him.
void Mailbox::EndEpoch(Why why) {
  if (!ended_) {
    ended_ = {epoch_, why, messages_};
    ended_->messages.DropAll();
  }
  if (why == Why::kFlush) {
    // An overflow that the owner was not told of is not hidden.
    ended_->messages.DropAll();
    return;
  }
  ended_->why = why;
  ended_->messages.Take(messages_);
}

// Which messages the application has consumed, of all that the owner's last epoch has counted, is
// known for the mailbox only; the channels have room when he has been told.
Mailbox::Acknowledged Mailbox::AcknowledgeEnded(const Progress& progress) {
  if (!ended_ || progress.epoch != ended_->name) return Acknowledged::kYes;
  if (progress.consumed > ended_->messages.shown()) return Acknowledged::kNeverSent;
  chorale::Add(surroundings_.counters.received, ended_->messages.Consume(progress.consumed));
  return Acknowledged::kYes;
}

void Mailbox::LeaveAllGroups() {
  for (const auto& [group, members] : groups_) {
    surroundings_.groups.Exit(group, this);
    for (const Members::Member& member : members) NoteMemberGone(group, member.channel);
  }
  groups_.clear();
}

// Noted before anybody can see that it is closed, for whoever does may make another mailbox of that
// name: no round that follows one with rows of that may erase what is under the name.
void Mailbox::CloseLocked() {
  if (unsaved_.on_disk) NoteUnsaved();
  LeaveAllGroups();
  events_.clear();
  event_bytes_ = 0;
  owner_.reset();
  closed_ = true;
}

}  // namespace chorale
