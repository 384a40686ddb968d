#include "storage/persistence/journal.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rocksdb/perf_level.h"
#include "storage/locked_keys.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/round_batch.h"

namespace chorale {
namespace {

using std::chrono::milliseconds;

// Writers wait when a change has waited for so long; the same as Redis, which lets a write wait for
// a sync that takes longer.
constexpr milliseconds kLate{2000};
// With kAlways: the longest wait for more changes to sync together, and for the next one of them.
constexpr std::chrono::microseconds kLongestGathering{1000};
constexpr std::chrono::microseconds kLongestGap{100};
// How often the amount that waits is looked at while a round is not due yet.
constexpr milliseconds kLook{20};

constexpr const char* kStopping = "the broker is stopping";

int64_t UnixMillis() { return absl::ToUnixMillis(absl::Now()); }

// Of what is collected now, and not of when the round began: it may wait for a shard.
HoldBack HoldBackNow(bool holds_back) {
  if (!holds_back) return {};
  const int64_t now_ms = UnixMillis();
  return {now_ms - RoundPace::kHoldBack.count(), now_ms};
}

}  // namespace

Journal::Journal(std::unique_ptr<DataDirectory> directory, Store& store, Options options)
    : directory_(std::move(directory)),
      store_(store),
      options_(std::move(options)),
      always_(options_.sync == Sync::kAlways),
      unsaved_layers_(always_,
                      [this] {
                        absl::MutexLock lock(&round_mutex_);
                        NoteChange();
                        layers_changed_ = true;
                      }),
      batch_(std::make_unique<RoundBatch>(*directory_)) {}

Journal::~Journal() {
  {
    absl::MutexLock lock(&round_mutex_);
    stop_ = true;
    wake_.Signal();
  }
  if (thread_.joinable()) thread_.join();
  if (copier_.joinable()) copier_.join();
}

absl::Status Journal::Start(LayerRegistry& layers, std::vector<uint32_t> spaces,
                            uint32_t next_space, uint64_t next_number) {
  layers_ = &layers;
  spaces_ = std::move(spaces);
  next_space_ = next_space;
  // In one batch with the format, by which the next start decides: what it has to know of mailboxes
  // that were restored in part.
  CollectLayers(Round::kComplete, false);
  {
    absl::MutexLock lock(&batch_mutex_);
    batch_->set_next_number(next_number);
    PutFormat(false);
    batch_->Seal();
    // Synced in any case: else owners of mailboxes would resume after a loss of power that has
    // taken this and whatever came later.
    if (const auto status = WriteSealed(true); !status.ok()) return status;
  }
  {
    absl::MutexLock lock(&round_mutex_);
    statistics_.last_save_ms = UnixMillis();
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

absl::Status Journal::Stop() {
  if (!thread_.joinable()) return absl::OkStatus();
  {
    absl::MutexLock lock(&round_mutex_);
    stop_ = true;
    wake_.Signal();
  }
  thread_.join();
  absl::Status status = RunRound(true);
  if (status.ok()) status = directory_->Settle();
  // Last, because a copy may take long, and whoever loses patience and kills the broker then loses
  // nothing but the copy.
  if (copier_.joinable()) copier_.join();
  return status;
}

// ---- for the data ----

void Journal::Mark(ShardMask shards) {
  absl::MutexLock lock(&round_mutex_);
  NoteChange();
  marked_ |= shards;
}

void Journal::NoteChange() {
  if (always_) {
    needed_.store(begun_ + 1, std::memory_order_release);
    ++asks_;
    if (asks_ == 1 || asks_ == ask_at_a_time_) wake_.Signal();
  }
  BeginToWait();
}

void Journal::BeginToWait() {
  if (changed()) return;
  changed_at_ = Clock::now();
  if (waits_since_ == 0) waits_since_ = changed_at_.time_since_epoch().count();
  wake_.Signal();
}

void Journal::BeginTogether(LockedKeys& keys) {
  const ShardMask held = keys.held();
  for (;;) {
    ShardMask pending = 0;
    {
      absl::MutexLock lock(&round_mutex_);
      pending = pending_ & held;
      if (pending == held) return;  // all that the token does belongs to the round under way
      if (pending == 0) {
        BeginToWait();
        marked_ |= held;
        break;
      }
    }
    for (; pending != 0; pending &= pending - 1) CollectIfPending(keys, std::countr_zero(pending));
  }
  for (ShardMask rest = held; rest != 0; rest &= rest - 1) {
    Shard& shard = keys.shard(std::countr_zero(rest));
    shard.mutex.AssertHeld();
    shard.marked = true;
  }
}

void Journal::DropDatabase(int db) {
  dropped_spaces_.push_back(std::exchange(spaces_[static_cast<size_t>(db)], next_space_++));
  SpacesChanged();
}

void Journal::SwapDatabases(int db_a, int db_b) {
  std::swap(spaces_[static_cast<size_t>(db_a)], spaces_[static_cast<size_t>(db_b)]);
  SpacesChanged();
}

// All shards are marked already, as those of any token with several.
void Journal::SpacesChanged() {
  spaces_changed_ = true;
  Mark(Store::kAllShards);
}

// ---- for the broker ----

bool Journal::full() const {
  const int64_t most =
      std::min(options_.most_unsaved_bytes(), most_in_time_.load(std::memory_order_relaxed));
  return g_unsaved_bytes.load(std::memory_order_relaxed) > most && !failed();
}

bool Journal::late() const {
  const Clock::rep since = waits_since_;
  return since != 0 && !always_ && !failed() &&
         Clock::now().time_since_epoch() - Clock::duration(since) > kLate;
}

std::string Journal::failure() const {
  absl::MutexLock lock(&round_mutex_);
  return failure_;
}

bool Journal::OnDisk(uint64_t covering) const {
  if (covering == 0) return true;
  absl::MutexLock lock(&round_mutex_);
  if (failed()) return false;
  if (!changed() && done() == begun_) return true;
  return done() >= covering && !left_;
}

uint64_t Journal::Save() {
  absl::MutexLock lock(&round_mutex_);
  save_ = true;
  wake_.Signal();
  needed_.store(begun_ + 1, std::memory_order_release);
  return begun_ + 1;
}

void Journal::Copy(std::string path, std::function<void(absl::Status)> done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&round_mutex_);
    if (stop_) {
      refused = absl::CancelledError(kStopping);
    } else if (copying_) {
      refused = absl::FailedPreconditionError("another copy is being made: one at a time");
    } else {
      copying_ = true;
      copy_ = {std::move(path), std::move(done)};
      wake_.Signal();
      return;
    }
  }
  done(refused);
}

Journal::Statistics Journal::statistics() const {
  absl::MutexLock lock(&round_mutex_);
  Statistics statistics = statistics_;
  statistics.unsaved_bytes = g_unsaved_bytes.load(std::memory_order_relaxed);
  return statistics;
}

// ---- the journal's thread ----

void Journal::Run() {
  ::pthread_setname_np(::pthread_self(), "journal");
  // RocksDB counts comparisons, which takes longer than they do.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  while (AwaitRound()) (void)RunRound(false);
  std::optional<CopyRequest> refused;
  {
    absl::MutexLock lock(&round_mutex_);
    refused.swap(copy_);
  }
  if (refused) EndCopy(*refused, absl::CancelledError(kStopping));
}

bool Journal::AwaitRound() {
  absl::MutexLock lock(&round_mutex_);
  while (!asked() && (failed() || !changed())) wake_.Wait(&round_mutex_);
  while (!asked() && !half_full()) {
    const int64_t unsaved = g_unsaved_bytes.load(std::memory_order_relaxed);
    const Clock::time_point due = changed_at_ + pace_.Interval(unsaved);
    const Clock::time_point now = Clock::now();
    if (now >= due) break;
    wake_.WaitUntil(&round_mutex_, std::min(due, now + kLook));
  }
  if (always_) Gather();
  return !stop_;
}

void Journal::Gather() {
  const Clock::time_point until = Clock::now() + kLongestGathering;
  uint64_t before = 0;
  while (asks_ < ask_at_a_time_ && asks_ != before && !stop_ && !save_ && !copy_ &&
         Clock::now() < until) {
    before = asks_;
    wake_.WaitUntil(&round_mutex_, std::min(until, Clock::now() + kLongestGap));
  }
}

absl::Status Journal::RunRound(bool last) {
  const Clock::time_point begin = Clock::now();
  // Nothing newer is collected before that is written.
  absl::Status status = WriteWhatFailed();
  std::optional<CopyRequest> copy;
  Round kind = Round::kUsual;
  bool holds_back = false;
  uint64_t round = 0;
  ShardMask shards = 0;
  {
    // Whoever asks from here on asks for the round after this one.
    absl::MutexLock lock(&round_mutex_);
    round = ++begun_;
    ask_at_a_time_ = std::exchange(asks_, 0);
    copy.swap(copy_);
    if (last) {
      kind = Round::kLast;
    } else if (std::exchange(save_, false) || copy) {
      kind = Round::kComplete;
    }
    // Nothing is held back while writers may be waiting for room.
    holds_back = holds_back_ = kind == Round::kUsual && !always_ && !half_full();
    leaves_ = false;
    if (status.ok()) {
      shards = pending_ = std::exchange(marked_, 0);
      layers_changed_ = false;
    }
  }
  round_bytes_ = 0;
  if (status.ok()) status = CollectAndWrite(kind, shards, holds_back);
  Finish(round, begin, status);
  if (copy) BeginCopy(std::move(*copy), status);
  return status;
}

void Journal::BeginCopy(CopyRequest copy, const absl::Status& round) {
  if (!round.ok()) return EndCopy(copy, round);
  // The one before is over but for its call of `done`.
  if (copier_.joinable()) copier_.join();
  // To another disk it may take long, and rounds go on meanwhile.
  copier_ = std::thread([this, copy = std::move(copy)] {
    ::pthread_setname_np(::pthread_self(), "copy");
    EndCopy(copy, directory_->Copy(copy.path));
  });
}

void Journal::EndCopy(const CopyRequest& copy, const absl::Status& status) {
  {
    absl::MutexLock lock(&round_mutex_);
    copying_ = false;
  }
  copy.done(status);
}

absl::Status Journal::CollectAndWrite(Round kind, ShardMask shards, bool holds_back) {
  CollectLayers(kind, holds_back);
  const int64_t now_ms = UnixMillis();
  for (; shards != 0; shards &= shards - 1) {
    const int shard = std::countr_zero(shards);
    LockedKeys keys(store_, now_ms);
    keys.Lock(ShardMask{1} << shard);
    CollectIfPending(keys, shard);
  }
  absl::MutexLock lock(&batch_mutex_);
  if (kind == Round::kLast) PutFormat(true);
  round_bytes_ = batch_->bytes();
  batch_->Seal();
  return WriteSealed(syncs());
}

// Tokens with several shards may wait for the batch: it is locked for one thing at a time.
void Journal::CollectLayers(Round kind, bool holds_back) {
  const UnsavedLayers::Changes changes = unsaved_layers_.Take();
  for (const std::string& name : changes.policies) {
    const auto layer = layers_->Find(name);
    const auto policy = layer == nullptr ? nullptr : layer->policy();
    absl::MutexLock lock(&batch_mutex_);
    if (policy != nullptr && *policy != LayerPolicy()) {
      batch_->PutPolicy(name, *policy);
    } else {
      batch_->ErasePolicy(name);
    }
  }
  for (const UnsavedLayers::Member& member : changes.members) {
    const auto layer = layers_->Find(member.layer);
    const auto expires_at_ms =
        layer == nullptr ? std::nullopt : layer->groups().ExpiryOf(member.group, member.channel);
    const std::string row = GroupMemberRow(member.layer, member.group, member.channel);
    absl::MutexLock lock(&batch_mutex_);
    if (expires_at_ms) {
      batch_->PutGroupMember(row, *expires_at_ms);
    } else {
      batch_->EraseGroupMember(row);
    }
  }
  const auto collect = [&](const std::string& layer, Mailbox& mailbox, bool all) {
    absl::MutexLock lock(&batch_mutex_);
    batch_->CollectMailbox(layer, mailbox, {HoldBackNow(holds_back), all});
  };
  for (const auto& [layer, mailbox] : changes.mailboxes) collect(layer, *mailbox, always_);
  if (holds_back) {
    // A mailbox that was not saved to its end has noted itself again.
    absl::MutexLock lock(&round_mutex_);
    leaves_ = layers_changed_;
  }
  if (kind != Round::kLast) return;
  for (const std::string& name : layers_->Names()) {
    for (const auto& mailbox : layers_->Find(name)->Mailboxes()) collect(name, *mailbox, true);
  }
}

void Journal::CollectIfPending(LockedKeys& keys, int index) {
  const ShardMask shard = ShardMask{1} << index;
  absl::MutexLock lock(&batch_mutex_);
  bool holds_back = false;
  {
    absl::MutexLock round_lock(&round_mutex_);
    if ((pending_ & shard) == 0) return;
    pending_ &= ~shard;
    holds_back = holds_back_;
  }
  if (std::exchange(spaces_changed_, false)) {
    for (const uint32_t space : dropped_spaces_) batch_->DropSpace(space);
    dropped_spaces_.clear();
    PutFormat(false);
  }
  if (!batch_->CollectShard(keys, index, spaces_, HoldBackNow(holds_back))) return;
  Shard& held = keys.shard(index);
  held.mutex.AssertHeld();
  held.marked = true;
  absl::MutexLock round_lock(&round_mutex_);
  leaves_ = true;
  NoteChange();
  marked_ |= shard;
}

// After a failure RocksDB writes no more before it is opened again.
absl::Status Journal::WriteWhatFailed() {
  if (!failed()) return absl::OkStatus();
  if (const auto status = directory_->Reopen(); !status.ok()) return status;
  absl::MutexLock lock(&batch_mutex_);
  return WriteSealed(syncs());
}

absl::Status Journal::WriteSealed(bool sync) {
  const uint64_t rows = batch_->sealed().Count();
  const uint64_t bytes = batch_->sealed().GetDataSize();
  if (rows == 0) return absl::OkStatus();
  const auto status = directory_->Write(&batch_->sealed(), sync);
  if (!status.ok()) return status;
  batch_->ClearSealed();
  absl::MutexLock lock(&round_mutex_);
  ++statistics_.rounds;
  statistics_.rows += rows;
  statistics_.bytes += bytes;
  return status;
}

void Journal::Finish(uint64_t round, Clock::time_point begin, const absl::Status& status) {
  const Clock::time_point end = Clock::now();
  const auto took = end - begin;
  pace_.Note(round_bytes_, took);
  if (!always_) most_in_time_.store(pace_.MostInTime(), std::memory_order_relaxed);
  Clock::duration oldest{};
  {
    absl::MutexLock lock(&round_mutex_);
    statistics_.last_round_us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
    statistics_.longest_round_us =
        std::max(statistics_.longest_round_us, statistics_.last_round_us);
    ask_at_a_time_ += asks_;
    failure_ = std::string(status.message());
    if (status.ok()) {
      statistics_.last_save_ms =
          UnixMillis() - std::chrono::duration_cast<milliseconds>(took).count();
      const Clock::rep since = waits_since_;
      if (since != 0) oldest = end.time_since_epoch() - Clock::duration(since);
      waits_since_ = changed() ? changed_at_.time_since_epoch().count() : 0;
      left_ = leaves_;
    }
  }
  if (oldest > kLate && !always_) {
    spdlog::warn(
        "what was written to {} had waited for {:.1f} seconds: the disk is slow, or a script",
        directory_->path(), std::chrono::duration<double>(oldest).count());
  }
  const bool failed_before = failed_.exchange(!status.ok(), std::memory_order_acq_rel);
  if (status.ok()) {
    done_.store(round, std::memory_order_release);
    if (failed_before) spdlog::warn("the data directory can be written again");
  } else {
    spdlog::error("cannot write to the data directory {}: {}", directory_->path(),
                  std::string(status.message()));
  }
  over_.store(round, std::memory_order_release);
  options_.on_progress();
}

void Journal::PutFormat(bool clean) {
  batch_->PutFormat({.clean = clean,
                     .always = always_,
                     .importing = options_.importing && !clean,
                     .spaces = spaces_,
                     .next_space = next_space_});
}

}  // namespace chorale
