#include "storage/layers/mailbox.h"

#include <algorithm>
#include <random>

#include "storage/layers/group_index.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;

// Unlike that of any other mailbox, also one of an earlier life of the broker; exact as a double,
// for clients that have no other numbers.
uint64_t NewEpoch() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return 1 + (random() >> 12);
}

bool IsMessage(const MailboxEvent& event) {
  return event.kind == Kind::kMessage || event.kind == Kind::kGroupMessage;
}

size_t BytesOf(const MailboxEvent& event) {
  size_t bytes = sizeof(event) + event.name.size();
  if (event.message != nullptr) bytes += event.message->size();
  for (const std::string& channel : event.channels) bytes += sizeof(channel) + channel.size();
  return bytes;
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

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
  if (owner_ != nullptr && owner_ != owner) owner_->BeTaken(epoch_);
  owner_ = std::move(owner);
  capacity_ = capacity;
  wake_pending_ = false;
  reset_from_.reset();
  const bool fits = resume && resume->epoch == epoch_ && resume->received >= acknowledged_ &&
                    resume->received <= shown_;
  if (fits) {
    DropAcknowledged(resume->received);
    // What was under way to the former owner is sent again.
    for (const MailboxEvent& event : events_) {
      if (event.number <= shown_ && IsMessage(event)) --messages_shown_;
    }
    shown_ = resume->received;
    DropExpiredMessages(now_ms);
    chorale::Add(surroundings_.counters.resumed);
  } else {
    // Nothing is sent twice: what the former owner was sent is gone with him.
    const auto kept = After(shown_);
    if (kept != events_.begin()) chorale::Add(surroundings_.counters.reset);
    std::deque<MailboxEvent> messages;
    std::copy_if(std::make_move_iterator(kept), std::make_move_iterator(events_.end()),
                 std::back_inserter(messages), [&](const MailboxEvent& event) {
                   return IsMessage(event) && event.expires_at_ms > now_ms;
                 });
    BeginEpoch(std::move(messages));
  }
  if (shown_ < last_) WakeOwner();
  return Opened{epoch_, shown_};
}

void Mailbox::Leave(const MailboxOwner* owner, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (owner_.get() != owner) return;
  owner_.reset();
  gone_at_ms_ = now_ms;
}

bool Mailbox::Take(const MailboxOwner* owner, size_t most,
                   const std::function<void(uint64_t, const MailboxEvent&)>& show) {
  absl::MutexLock lock(&mutex_);
  if (owner_.get() != owner) return true;
  if (reset_from_) {
    const char* why = reset_why_ == Why::kFlush ? "flush" : "overflow";
    show(*reset_from_, {Kind::kReset, epoch_, why, nullptr, {}, 0});
    reset_from_.reset();
  }
  auto event = After(shown_);
  for (; most > 0 && event != events_.end(); ++event, --most) {
    show(epoch_, *event);
    shown_ = event->number;
    if (IsMessage(*event)) ++messages_shown_;
  }
  wake_pending_ = event != events_.end();
  return !wake_pending_;
}

Mailbox::Acknowledged Mailbox::Acknowledge(const MailboxOwner* owner, uint64_t received,
                                           uint64_t consumed,
                                           std::span<const Unconsumed> unconsumed) {
  absl::MutexLock lock(&mutex_);
  if (owner_.get() != owner) return Acknowledged::kNotTheOwner;
  if (received > shown_ || consumed > messages_shown_) return Acknowledged::kNeverSent;
  DropAcknowledged(received);
  if (consumed > messages_consumed_) {
    const uint64_t more = consumed - messages_consumed_;
    messages_consumed_ = consumed;
    unconsumed_ -= static_cast<int64_t>(more);
    chorale::Add(surroundings_.counters.received, more);
  }
  for (const auto& [channel, count] : unconsumed) {
    const auto found = unconsumed_by_channel_.find(channel);
    if (found == unconsumed_by_channel_.end()) continue;
    found->second = std::min(found->second, count + PendingFor(channel));
    if (found->second <= 0) unconsumed_by_channel_.erase(found);
  }
  return Acknowledged::kYes;
}

// ---- senders ----

Mailbox::Sent Mailbox::Send(std::string_view channel, std::shared_ptr<const std::string> message,
                            const LayerPolicy& policy, int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return Sent::kClosed;
  bool full = IsFull(channel, policy);
  if (full && owner_ == nullptr) {
    DropExpiredMessages(now_ms);
    full = IsFull(channel, policy);
  }
  if (full) {
    chorale::Add(surroundings_.counters.full);
    return Sent::kFull;
  }
  scope_ = policy.scope;
  MailboxEvent event{Kind::kMessage,     0,  std::string(channel),
                     std::move(message), {}, now_ms + policy.expiry_ms};
  Count(event, 1);
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
  MailboxEvent event{Kind::kGroupMessage, 0, group, message, {}, now_ms + policy.expiry_ms};
  if (policy.scope == CapacityScope::kChannel) {
    for (const Members::Member& member : *members) {
      if (IsFull(member.channel, policy)) event.channels.push_back(member.channel);
    }
  } else if (IsFull({}, policy)) {
    if (owner_ == nullptr) DropExpiredMessages(now_ms);
    if (IsFull({}, policy)) {
      chorale::Add(surroundings_.counters.group_full, static_cast<uint64_t>(count));
      return {0, count};
    }
  }
  const auto full = static_cast<int64_t>(event.channels.size());
  chorale::Add(surroundings_.counters.group_full, static_cast<uint64_t>(full));
  if (full == count) return {0, full};
  scope_ = policy.scope;
  Count(event, 1);
  chorale::Add(surroundings_.counters.group_messages, static_cast<uint64_t>(count - full));
  Add(std::move(event));
  return {count - full, full};
}

int64_t Mailbox::Unread(int64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return -1;
  if (owner_ == nullptr) DropExpiredMessages(now_ms);
  return unconsumed_;
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
  MailboxEvent event{Kind::kJoin, 0, group, nullptr, {}, 0};
  for (const std::string_view channel : channels) {
    if (members->Join(channel, expires_at_ms)) event.channels.emplace_back(channel);
  }
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
  MailboxEvent event{Kind::kLeave, 0, group, nullptr, {}, 0};
  for (const std::string_view channel : channels) {
    if (members->Discard(channel)) event.channels.emplace_back(channel);
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
  if (!closed_ && owner_ == nullptr && now_ms - gone_at_ms_ > grace_ms) CloseLocked();
  if (closed_) return true;
  std::vector<std::string> groups;
  for (const auto& [group, members] : groups_) groups.push_back(group);
  for (const std::string& group : groups) LiveMembers(group, now_ms);
  if (owner_ == nullptr) DropExpiredMessages(now_ms);
  return false;
}

void Mailbox::Flush() {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  LeaveAllGroups();
  Reset(Why::kFlush);
}

bool Mailbox::closed() const {
  absl::MutexLock lock(&mutex_);
  return closed_;
}

Mailbox::State Mailbox::state() const {
  absl::MutexLock lock(&mutex_);
  State state{owner_ != nullptr, unconsumed_, event_bytes_, 0};
  for (const auto& [group, members] : groups_) state.memberships += members.size();
  return state;
}

// ---- under the lock ----

void Mailbox::Add(MailboxEvent event) {
  event.number = ++last_;
  event_bytes_ += BytesOf(event);
  events_.push_back(std::move(event));
  if (event_bytes_ > surroundings_.most_bytes()) {
    chorale::Add(surroundings_.counters.reset);
    Reset(Why::kOverflow);
  }
  WakeOwner();
}

// As the first events of an epoch, whose owner knows nothing.
void Mailbox::AddMemberships() {
  for (const auto& [group, members] : groups_) {
    MailboxEvent event{Kind::kJoin, ++last_, group, nullptr, {}, 0};
    for (const Members::Member& member : members) event.channels.push_back(member.channel);
    event_bytes_ += BytesOf(event);
    events_.push_back(std::move(event));
  }
}

void Mailbox::WakeOwner() {
  if (owner_ == nullptr || std::exchange(wake_pending_, true)) return;
  owner_->Wake();
}

bool Mailbox::IsFull(std::string_view channel, const LayerPolicy& policy) {
  if (policy.scope == CapacityScope::kMailbox) {
    return unconsumed_ >= capacity_.value_or(policy.CapacityOf(name_));
  }
  const auto found = unconsumed_by_channel_.find(channel);
  const int64_t count = found == unconsumed_by_channel_.end() ? 0 : found->second;
  return count >= policy.CapacityOf(channel);
}

void Mailbox::CountChannel(const std::string& channel, int64_t change) {
  const auto entry = unconsumed_by_channel_.try_emplace(channel, 0).first;
  entry->second += change;
  if (entry->second <= 0) unconsumed_by_channel_.erase(entry);
}

// Counts the message for each channel that it is for.
void Mailbox::Count(const MailboxEvent& event, int64_t change) {
  unconsumed_ += change;
  if (scope_ == CapacityScope::kMailbox) return;
  if (event.kind == Kind::kMessage) return CountChannel(event.name, change);
  const auto found = groups_.find(event.name);
  if (found == groups_.end()) return;
  for (const Members::Member& member : found->second) {
    if (!Contains(event.channels, member.channel)) CountChannel(member.channel, change);
  }
}

int64_t Mailbox::PendingFor(std::string_view channel) {
  int64_t pending = 0;
  for (const MailboxEvent& event : events_) {
    if (event.kind == Kind::kMessage) {
      pending += event.name == channel ? 1 : 0;
    } else if (event.kind == Kind::kGroupMessage && !Contains(event.channels, channel)) {
      const auto group = groups_.find(event.name);
      pending += group != groups_.end() && group->second.contains(channel) ? 1 : 0;
    }
  }
  return pending;
}

std::deque<MailboxEvent>::iterator Mailbox::After(uint64_t number) {
  return std::upper_bound(
      events_.begin(), events_.end(), number,
      [](uint64_t wanted, const MailboxEvent& event) { return wanted < event.number; });
}

void Mailbox::DropAcknowledged(uint64_t received) {
  for (; !events_.empty() && events_.front().number <= received; events_.pop_front()) {
    event_bytes_ -= BytesOf(events_.front());
  }
  acknowledged_ = std::max(acknowledged_, received);
}

void Mailbox::DropExpiredMessages(int64_t now_ms) {
  auto kept = After(shown_);
  for (auto event = kept; event != events_.end(); ++event) {
    if (IsMessage(*event) && event->expires_at_ms <= now_ms) {
      event_bytes_ -= BytesOf(*event);
      Count(*event, -1);
      chorale::Add(surroundings_.counters.expired);
    } else {
      if (kept != event) *kept = std::move(*event);
      ++kept;
    }
  }
  events_.erase(kept, events_.end());
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
    Add({Kind::kLeave, 0, group, nullptr, std::move(expired), 0});
  }
  if (gone) return nullptr;
  return &groups_.find(group)->second;
}

void Mailbox::BeginEpoch(std::deque<MailboxEvent> kept) {
  epoch_ = NewEpoch();
  acknowledged_ = shown_ = last_ = 0;
  unconsumed_ = 0;
  messages_shown_ = messages_consumed_ = 0;
  unconsumed_by_channel_.clear();
  events_.clear();
  event_bytes_ = 0;
  AddMemberships();
  for (MailboxEvent& event : kept) {
    event.number = ++last_;
    event_bytes_ += BytesOf(event);
    Count(event, 1);
    events_.push_back(std::move(event));
  }
}

void Mailbox::Reset(Why why) {
  // An overflow that the owner was not told of is not hidden by a flush.
  if (!reset_from_ || why == Why::kOverflow) reset_why_ = why;
  if (owner_ != nullptr && !reset_from_) reset_from_ = epoch_;
  BeginEpoch({});
  if (reset_from_) WakeOwner();
}

void Mailbox::LeaveAllGroups() {
  for (const auto& [group, members] : groups_) surroundings_.groups.Exit(group, this);
  groups_.clear();
}

void Mailbox::CloseLocked() {
  closed_ = true;
  LeaveAllGroups();
  events_.clear();
  event_bytes_ = 0;
  owner_.reset();
}

}  // namespace chorale
