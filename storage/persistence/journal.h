// Brings what changes in the store and in the layers to the data directory.
//
// There is no log of commands. The data itself knows what of it is not on disk (storage/unsaved.h),
// and the journal's thread collects that in rounds: it locks one shard after the other, copies the
// rows that changed into one batch, and writes the batch, which RocksDB takes as a whole or not at
// all. A key that changed a thousand times since the last round is written once, and one that came
// and went is not written. See README.md for why, and for what a round promises.
//
// Atomicity. What one token (LockedKeys) changed is in one round. A token with one shard has that
// for nothing: the round sees the shard before or after it. One with several shards calls
// BeginTogether: if a round has passed some of its shards and has not come to others, the token
// copies the rows of those others itself, so that all it changes belongs to the next round.
//
// Lock order: shards ascending, then batch_mutex_; under it, one at a time, the locks of the layers
// (the registry's, a layer's policy, a group's, a mailbox's), under those that of UnsavedLayers;
// last round_mutex_. The directory is the journal's thread's, and a copy's that is being made,
// which has a thread of its own.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "storage/layers/layer.h"
#include "storage/layers/unsaved_layers.h"
#include "storage/persistence/round_pace.h"
#include "storage/steady_condition.h"
#include "storage/store.h"

namespace chorale {

class DataDirectory;
class RoundBatch;

class Journal {
 public:
  enum class Sync : uint8_t {
    kEverySecond,  // a change is on disk within a second
    kAlways,       // nobody hears of a change before it is on disk
    kNever,        // handed to the kernel within a second, which writes it when it likes
  };
  struct Options {
    Sync sync = Sync::kEverySecond;
    // An estimate of what may wait for the disk; beyond it writers are held back.
    std::function<int64_t()> most_unsaved_bytes;
    // Called on the journal's thread after each round, and when writing has failed or works again.
    std::function<void()> on_progress;
    // The directory is of no use, and says so, before Stop() has succeeded.
    bool importing = false;
  };

  Journal(std::unique_ptr<DataDirectory> directory, Store& store, Options options);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Once recovery is over; takes over what it has found of spaces and numbers.
  [[nodiscard]] absl::Status Start(LayerRegistry& layers, std::vector<uint32_t> spaces,
                                   uint32_t next_space, uint64_t next_number);
  // Writes what is left, and that nothing is missing; then waits for a copy that is being made.
  // Nothing may change any more.
  [[nodiscard]] absl::Status Stop();

  // ---- for the data; under the shard's lock ----
  bool always() const { return always_; }
  // Something in these shards is to be written. With kAlways to be called by every token that
  // writes, before anyone can hear of what it did.
  void Mark(ShardMask shards);
  // A token has locked several shards and has not changed anything yet.
  void BeginTogether(LockedKeys& keys);
  // With all shards held.
  void DropDatabase(int db);
  void SwapDatabases(int db_a, int db_b);
  UnsavedLayers& unsaved_layers() { return unsaved_layers_; }

  // ---- for the broker; any thread ----
  bool syncs() const { return options_.sync != Sync::kNever; }
  // Whoever writes should wait: too much waits for the disk, or more than can be on disk in time.
  // on_progress says when to look again.
  bool full() const;
  // The same, because what waits has waited for more than two seconds: the disk is slow, or a
  // script keeps a round from ending. Not with kAlways, where clients wait for their own writes.
  bool late() const;
  // Writing has failed, and is not tried again before Save(), Copy() or Stop().
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  [[nodiscard]] std::string failure() const;
  // Rounds are counted. With kAlways all that has changed by now is on disk once round needed() is
  // done.
  uint64_t needed() const { return needed_.load(std::memory_order_acquire); }
  uint64_t done() const { return done_.load(std::memory_order_acquire); }
  // All that has changed by now is in this round or in one before it, but for messages that it
  // leaves to the next. It may never come if nothing else changes.
  uint64_t covering() const {
    return always_ ? needed() : begun_.load(std::memory_order_acquire) + 1;
  }
  // All that had changed when covering() said this is on disk. 0: nothing had.
  bool OnDisk(uint64_t covering) const;
  // Rounds that are over, also those that failed.
  uint64_t over() const { return over_.load(std::memory_order_acquire); }
  // Has a round run now, also after a failure. Returns the round with which all is on disk.
  uint64_t Save();
  // Copies the directory, as of a round that begins now or of a later one, and calls `done` on any
  // thread, also if the journal stops before. One copy at a time: another one is refused.
  void Copy(std::string path, std::function<void(absl::Status)> done);

  struct Statistics {
    uint64_t rounds = 0;       // with something to write
    uint64_t rows = 0;         // written or deleted
    uint64_t bytes = 0;        // of batches
    int64_t last_save_ms = 0;  // when the last round began that was written
    int64_t last_round_us = 0;
    int64_t longest_round_us = 0;
    int64_t unsaved_bytes = 0;
  };
  [[nodiscard]] Statistics statistics() const;

 private:
  struct CopyRequest {
    std::string path;
    std::function<void(absl::Status)> done;
  };

  using Clock = SteadyCondition::Clock;

  // A complete one holds nothing back; the last one says that nothing is missing.
  enum class Round : uint8_t { kUsual, kComplete, kLast };

  void Run();
  // Waits until a round is due. False if the journal stops.
  bool AwaitRound();
  // With kAlways: waits until as many have asked for this round as ask at a time, as long as they
  // keep coming. They are clients that have just got the replies of the round before, and a sync
  // for all costs what one for a few does.
  void Gather() ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_mutex_);
  // A round is to begin at once; or in a while.
  bool asked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_mutex_) {
    return stop_ || save_ || copy_.has_value() || (always_ && !failed() && needed_ > begun_);
  }
  bool changed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_mutex_) {
    return marked_ != 0 || layers_changed_;
  }
  // Rounds begin at once.
  bool half_full() const {
    return g_unsaved_bytes.load(std::memory_order_relaxed) > options_.most_unsaved_bytes() / 2;
  }
  // Something has changed, or may be about to, and needs a round.
  void NoteChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_mutex_);
  // The same without asking for a round: the first since one began is what the next counts from.
  void BeginToWait() ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_mutex_);
  absl::Status RunRound(bool last);
  absl::Status CollectAndWrite(Round kind, ShardMask shards, bool holds_back);
  void CollectLayers(Round kind, bool holds_back);
  // What of the shard the round is still to write. The caller holds the shard.
  void CollectIfPending(LockedKeys& keys, int shard);
  // The batch of a round that failed.
  absl::Status WriteWhatFailed();
  absl::Status WriteSealed(bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(batch_mutex_);
  void Finish(uint64_t round, Clock::time_point begin, const absl::Status& status);
  // After the round that it asked for.
  void BeginCopy(CopyRequest copy, const absl::Status& round);
  void EndCopy(const CopyRequest& copy, const absl::Status& status);
  void SpacesChanged();
  void PutFormat(bool clean) ABSL_EXCLUSIVE_LOCKS_REQUIRED(batch_mutex_);

  const std::unique_ptr<DataDirectory> directory_;
  Store& store_;
  LayerRegistry* layers_ = nullptr;
  const Options options_;
  const bool always_;
  UnsavedLayers unsaved_layers_;
  std::thread thread_;
  std::thread copier_;  // the journal's thread's

  // Written with all shards held, read with one held.
  std::vector<uint32_t> spaces_;
  uint32_t next_space_ = 0;
  std::vector<uint32_t> dropped_spaces_;
  bool spaces_changed_ = false;

  // The rows of the round that is under way, and of one that could not be written.
  absl::Mutex batch_mutex_;
  const std::unique_ptr<RoundBatch> batch_ ABSL_PT_GUARDED_BY(batch_mutex_);

  mutable absl::Mutex round_mutex_;
  SteadyCondition wake_;  // of the journal's thread: asked() or changed() may have become true
  ShardMask marked_ ABSL_GUARDED_BY(round_mutex_) = 0;   // for the next round
  ShardMask pending_ ABSL_GUARDED_BY(round_mutex_) = 0;  // not collected yet by the one under way
  bool layers_changed_ ABSL_GUARDED_BY(round_mutex_) = false;
  // With kAlways: changes that ask for the next round; and that asked for the one before, or came
  // while it was written.
  uint64_t asks_ ABSL_GUARDED_BY(round_mutex_) = 0;
  uint64_t ask_at_a_time_ ABSL_GUARDED_BY(round_mutex_) = 0;
  bool save_ ABSL_GUARDED_BY(round_mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(round_mutex_) = false;
  std::optional<CopyRequest> copy_ ABSL_GUARDED_BY(round_mutex_);  // asked for
  bool copying_ ABSL_GUARDED_BY(round_mutex_) = false;             // asked for or being made
  std::string failure_ ABSL_GUARDED_BY(round_mutex_);
  Statistics statistics_ ABSL_GUARDED_BY(round_mutex_);
  // Of the first change that the next round is to write.
  Clock::time_point changed_at_ ABSL_GUARDED_BY(round_mutex_);
  bool holds_back_ ABSL_GUARDED_BY(round_mutex_) = false;  // the round under way
  bool leaves_ ABSL_GUARDED_BY(round_mutex_) = false;      // and has, or may have, some messages
  bool left_ ABSL_GUARDED_BY(round_mutex_) = false;  // and so has the last one that was written
  RoundPace pace_;                                   // the journal's thread's
  int64_t round_bytes_ = 0;  // of the round under way; the journal's thread's

  // When the oldest change came that is not on disk; 0 if there is none. Written under
  // round_mutex_.
  std::atomic<Clock::rep> waits_since_ = 0;
  std::atomic<uint64_t> begun_ = 0;   // written under round_mutex_
  std::atomic<uint64_t> needed_ = 0;  // the same
  std::atomic<uint64_t> done_ = 0;
  std::atomic<uint64_t> over_ = 0;
  std::atomic<bool> failed_ = false;
  // What may wait if it is to be on disk in time; not with kAlways.
  std::atomic<int64_t> most_in_time_ = std::numeric_limits<int64_t>::max();
};

}  // namespace chorale
