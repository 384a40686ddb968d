// The process-specific channels of one process: everything sent to one of them, directly or through
// a group, goes to whoever has opened the mailbox, in one order.
//
// What is sent becomes a numbered event. Events wait here until the owner acknowledges them, so
// that an owner who lost his connection gets what he missed when he comes back (Open with a
// Resume). The numbers begin anew with each epoch; an owner who is given another epoch than his has
// missed something.
//
// The mailbox keeps the memberships of its channels, too. A change of them is an event in the same
// order, so that both sides hold the same members at every message, and a message to a group is one
// event however many of its members live here.
//
// Thread-safe: each mailbox has a lock of its own, and under it takes that of one group's shard
// (GroupIndex) and the owner's inbox, no other.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/database.h"
#include "storage/layers/counters.h"
#include "storage/layers/members.h"
#include "storage/layers/policy.h"
#include "storage/layers/unconsumed_messages.h"
#include "storage/unsaved.h"

namespace chorale {

class GroupIndex;
class Mailbox;
class PastMembers;
class UnsavedLayers;

// Whoever has opened a mailbox. Called with the mailbox's lock held: hands over and returns.
class MailboxOwner {
 public:
  virtual ~MailboxOwner() = default;
  // There is something to Take. Not called again before that was done.
  virtual void Wake() = 0;
  // Somebody else has opened the mailbox. Nothing more comes.
  virtual void BeTaken(uint64_t epoch) = 0;
};

struct MailboxEvent {
  enum class Kind : uint8_t { kMessage, kGroupMessage, kJoin, kLeave, kReset };
  Kind kind;
  // Of a reset, which is not numbered: the new epoch.
  uint64_t number;
  std::string name;                            // of the channel, or of the group; of a reset: why
  std::shared_ptr<const std::string> message;  // of the first two kinds
  // Who joins or leaves the group; of a group's message: the members that are over their capacity
  // and must not get it.
  std::vector<std::string> channels;
  int64_t expires_at_ms;  // of a message
  // How long it may be held back from the disk counts from here; 0 for not at all.
  int64_t sent_at_ms = 0;
};

// Not one of a membership.
[[nodiscard]] inline bool IsMessage(const MailboxEvent& event) {
  return event.kind == MailboxEvent::Kind::kMessage ||
         event.kind == MailboxEvent::Kind::kGroupMessage;
}

// In memory.
[[nodiscard]] size_t BytesOf(const MailboxEvent& event);

// What is kept of a mailbox beside its members and its events.
struct MailboxState {
  uint64_t epoch = 0;
  uint64_t acknowledged = 0;
  uint64_t last = 0;
  uint64_t last_membership = 0;
  uint64_t consumed = 0;
  uint64_t acknowledged_messages = 0;  // of the epoch, up to the event acknowledged last
  int64_t unconsumed = 0;
  std::optional<int64_t> capacity;
  StringMap<int64_t> unconsumed_by_channel;
  // What is on disk may not be all that its owner of before the restart knew; nobody has opened it
  // since.
  bool in_part = false;
};

// Writes the rows of one mailbox. A member is named by its group, NUL, and its channel.
class MailboxSaver {
 public:
  virtual ~MailboxSaver() = default;
  virtual void PutState(const MailboxState& state) = 0;
  virtual void PutMember(std::string_view member, int64_t expires_at_ms) = 0;
  virtual void EraseMember(std::string_view member) = 0;
  virtual void PutEvent(const MailboxEvent& event) = 0;
  virtual void EraseEvents(uint64_t begin, uint64_t end) = 0;
  virtual void EraseAll() = 0;
};

class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  // What a mailbox shares with the others of its layer. They outlive it.
  struct Surroundings {
    GroupIndex& groups;
    LayerCounters& counters;
    // Bytes of events that wait for an acknowledgement.
    const std::function<size_t()> most_bytes;
    // Without persistence nullptr.
    UnsavedLayers* const unsaved = nullptr;
    const std::string& layer;
  };

  Mailbox(std::string name, const Surroundings& surroundings, int64_t now_ms);

  const std::string& name() const { return name_; }

  // ---- the owner's side ----
  struct Resume {
    uint64_t epoch;
    uint64_t received;  // the number of the last event received
  };
  struct Opened {
    uint64_t epoch;
    uint64_t last;  // the number after which events follow
  };
  // Takes the mailbox over from its owner, if it has one. With a `resume` that fits the events
  // after it follow; else a new epoch begins with the memberships and with what nobody was sent.
  // nullopt if the mailbox is closed; then it is to be looked up again.
  //
  // A `capacity` is the mailbox's from here on, in the place of its layer's.
  std::optional<Opened> Open(std::shared_ptr<MailboxOwner> owner, std::optional<Resume> resume,
                             std::optional<int64_t> capacity, int64_t now_ms);
  // The owner is gone; another may come until the layer's grace time is over.
  void Leave(const MailboxOwner* owner, int64_t now_ms);
  struct Room {
    size_t events;
    size_t bytes = std::numeric_limits<size_t>::max();  // the event that exceeds it is the last
  };
  // Shows the owner events that he was not sent yet, as long as there is room. False if there are
  // more: then he takes again and is not woken.
  bool Take(const MailboxOwner* owner, Room room, int64_t now_ms,
            const std::function<void(uint64_t epoch, const MailboxEvent&)>& show);

  struct Progress {
    std::optional<uint64_t> epoch;  // the one of now if it is left out
    uint64_t received;              // all events up to this number have arrived
    uint64_t consumed;              // messages of the epoch that the application has consumed
    // The channels that changed; in the channel scope only.
    std::span<const UnconsumedMessages::Waiting> waiting = {};
  };
  enum class Acknowledged : uint8_t { kYes, kNotTheOwner, kNeverSent };
  // Of an epoch that is over nothing changes but what EndedEpoch counts.
  Acknowledged Acknowledge(const MailboxOwner* owner, const Progress& progress);

  // ---- senders ----
  enum class Sent : uint8_t { kYes, kFull, kClosed };
  Sent Send(std::string_view channel, std::shared_ptr<const std::string> message,
            const LayerPolicy& policy, int64_t now_ms);
  struct Reached {
    int64_t channels = 0;
    int64_t full = 0;
  };
  // To all members that live here.
  Reached SendToGroup(const std::string& group, const std::shared_ptr<const std::string>& message,
                      const LayerPolicy& policy, int64_t now_ms);
  // Messages sent and not yet consumed; -1 if the mailbox is closed.
  int64_t Unread(int64_t now_ms);

  // ---- memberships ----
  // Returns how many of the channels are new to the group; nullopt if the mailbox is closed.
  std::optional<size_t> Join(const std::string& group, std::span<const std::string_view> channels,
                             int64_t expires_at_ms, int64_t now_ms);
  std::optional<size_t> Discard(const std::string& group,
                                std::span<const std::string_view> channels, int64_t now_ms);
  [[nodiscard]] std::vector<std::string> MembersOf(const std::string& group, int64_t now_ms);

  // ---- housekeeping ----
  // Ends all memberships and drops all messages; a closed mailbox stays closed. False if `owner`,
  // or nullptr for nobody, is not who has it.
  bool Close(const MailboxOwner* owner);
  // Drops what has expired; closes the mailbox if its owner has been away for longer than the grace
  // time. True if it is closed.
  bool Tidy(int64_t grace_ms, int64_t now_ms);
  // Drops all messages and memberships, and begins a new epoch for the owner.
  void Flush();
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  // ---- persistence ----
  struct SaveScope {
    HoldBack hold_back;  // unless a membership has changed
    // The state is written whether or not anything else is.
    bool all;
  };
  // Has what changed written.
  void Save(SaveScope scope, MailboxSaver& saver);
  struct RestoredMember {
    std::string group, channel;
    int64_t expires_at_ms;
  };
  // What a data directory holds of it. `exact`: that is all there was, so that an owner can resume.
  void Restore(MailboxState state, std::span<const RestoredMember> members,
               std::vector<MailboxEvent> events, bool exact);

  struct State {
    bool owned;
    int64_t unconsumed;
    size_t bytes;
    size_t memberships;
  };
  [[nodiscard]] State state() const;

 private:
  void Add(MailboxEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddMemberships() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeOwner() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFull(std::string_view channel, const LayerPolicy& policy)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // In the channel scope.
  std::vector<std::string> FullMembers(const Members& members, const LayerPolicy& policy)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CorrectChannels(std::span<const UnconsumedMessages::Waiting> channels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first event after that number.
  std::deque<MailboxEvent>::iterator After(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t MessagesBetween(uint64_t after, uint64_t last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Fits(const Resume& resume) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropAcknowledged(uint64_t received) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of what the owner was not sent; of what he may have been sent before a restart they count no
  // longer.
  void DropExpiredMessages(int64_t now_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropExpiredMembers(int64_t now_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The messages that the owner was not sent, for a new epoch.
  std::deque<MailboxEvent> TakeUnshownMessages() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False if the message is for none of the members of now.
  bool LeaveOutOthers(MailboxEvent& message, const PastMembers& past)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The members of the group that are still there; nullptr if there are none.
  Members* LiveMembers(const std::string& group, int64_t now_ms)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Begins a new epoch with `kept`, messages that nobody was sent.
  void BeginEpoch(std::deque<MailboxEvent> kept) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Drops all events and has the owner told why.
  enum class Why : uint8_t { kFlush, kOverflow };
  void Reset(Why why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndEpoch(Why why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Acknowledged AcknowledgeEnded(const Progress& progress) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t CountUnconsumed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t CountUnconsumed(std::string_view channel) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveAllGroups() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the owner of before a restart has had, as far as that is known.
  uint64_t ShownBeforeRestart(const std::optional<Resume>& resume) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // There is something to write.
  void NoteUnsaved() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteMember(std::string_view group, std::string_view channel, bool was_there)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteMemberGone(std::string_view group, std::string_view channel)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SaveMembers(MailboxSaver& saver) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns whether it wrote or erased any.
  bool SaveEvents(uint64_t through, MailboxSaver& saver) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  const Surroundings& surroundings_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<MailboxOwner> owner_ ABSL_GUARDED_BY(mutex_);
  int64_t gone_at_ms_ ABSL_GUARDED_BY(mutex_);  // when the last owner left
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  // Written under the lock, and only once; read without it by who looks for a mailbox of that name.
  std::atomic<bool> closed_ = false;

  uint64_t epoch_ ABSL_GUARDED_BY(mutex_);
  // The epoch that the owner knows, if it has ended and he was not told yet. What an overflow ends
  // counts until then, also what it has dropped: else an owner who does not read would have his
  // senders' messages dropped for ever, and never be full.
  struct EndedEpoch {
    uint64_t name;
    Why why;
    UnconsumedMessages messages;
  };
  std::optional<EndedEpoch> ended_ ABSL_GUARDED_BY(mutex_);
  std::deque<MailboxEvent> events_ ABSL_GUARDED_BY(mutex_);  // not acknowledged yet
  size_t event_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // The events with which the epoch began, as far as they are in events_.
  uint64_t last_membership_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t membership_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;  // numbers of events
  uint64_t shown_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;

  UnconsumedMessages messages_ ABSL_GUARDED_BY(mutex_);      // of this epoch
  std::optional<int64_t> capacity_ ABSL_GUARDED_BY(mutex_);  // the owner's wish
  StringMap<Members> groups_ ABSL_GUARDED_BY(mutex_);

  // What of it is not on disk.
  struct Unsaved {
    bool noted = false;       // among the UnsavedLayers
    StringMap<bool> members;  // that changed, and whether there is a row; named as in MailboxSaver
    bool on_disk = false;     // there are rows
    uint64_t epoch = 0;       // that of the events of which there are rows
    uint64_t begin = 0, end = 0;  // their numbers: from begin to before end
    bool state = false;           // changed, and not only because of events or members
  };
  Unsaved unsaved_ ABSL_GUARDED_BY(mutex_);
  enum class Restored : uint8_t { kNo, kExactly, kInPart };
  Restored restored_ ABSL_GUARDED_BY(mutex_) = Restored::kNo;  // and not opened since
  // What has expired of the messages that were restored. Which of them the owner has had he says
  // when he opens the mailbox: those he consumes then, the others are dropped. Until then they are
  // kept but do not count.
  UnconsumedMessages lapsed_ ABSL_GUARDED_BY(mutex_);

  // Nothing expires before: of the messages that the owner was not sent, or that were restored and
  // not opened since, and of the members.
  static constexpr int64_t kNever = Members::kNever;
  int64_t next_expiry_ms_ ABSL_GUARDED_BY(mutex_) = kNever;
  int64_t next_leave_ms_ ABSL_GUARDED_BY(mutex_) = kNever;
};

}  // namespace chorale
