// storage/persistence/journal: what a change costs the command that makes it, and what a round
// costs. The data directory is one in memory, so that no disk is measured.

#include "storage/persistence/journal.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "rocksdb/env.h"
#include "storage/layers/layer.h"
#include "storage/locked_keys.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/recovery.h"
#include "storage/persistence/round_batch.h"
#include "storage/unsaved.h"

namespace chorale::bench {
namespace {

constexpr int kDb = 0;

// A store whose changes are kept track of, with keys that have not changed since the last round.
class PersistentKeys {
 public:
  explicit PersistentKeys(size_t count) : names_(count), count_(count) {
    auto directory = DataDirectory::Open("/data", DataDirectory::Mode::kReadWrite, env_.get());
    if (!directory.ok()) return;
    directory_ = directory->get();
    Journal::Options options{.sync = Journal::Sync::kNever,
                             .most_unsaved_bytes = [] { return int64_t{1} << 40; },
                             .on_progress = [this] { SignalProgress(); }};
    journal_ = std::make_unique<Journal>(std::move(*directory), store_, std::move(options));
    store_.set_journal(journal_.get());
    for (size_t i = 0; i < count; ++i) Set(names_.At(i));
    RoundBatch batch(*directory_);
    Collect(batch);
  }
  ~PersistentKeys() {
    if (journal_ != nullptr && !journal_->Stop().ok()) std::abort();
    journal_.reset();
    g_persistent = persistent_before_;
  }

  bool ok() const { return journal_ != nullptr; }
  // With a thread that makes the rounds.
  bool Start() {
    RecoveryOptions options;
    options.now_ms = kNow;
    auto recovered = Recover(*directory_, empty_, layers_, nullptr, options);
    return recovered.ok() &&
           journal_
               ->Start(layers_, recovered->spaces, recovered->next_space, recovered->next_number)
               .ok();
  }

  void Set(std::string_view key) {
    LockedKeys keys(store_, kNow);
    keys.Lock(Store::MaskOf(key));
    keys.SetString(kDb, key, "some value");
  }
  void SetAll() {
    for (size_t i = 0; i < count_; ++i) Set(names_.At(i));
  }
  // What a round does before it writes: all rows that changed, in one batch. Returns its bytes.
  size_t Collect(RoundBatch& batch) {
    const std::vector<uint32_t> spaces = {0, 1};
    for (int shard = 0; shard < Store::kShardCount; ++shard) {
      LockedKeys keys(store_, kNow);
      keys.Lock(ShardMask{1} << shard);
      batch.CollectShard(keys, shard, spaces, {});
    }
    batch.Seal();
    const size_t bytes = batch.sealed().GetDataSize();
    batch.ClearSealed();
    return bytes;
  }
  // A round of the journal, from being asked for to being written.
  bool Save() {
    const uint64_t round = journal_->Save();
    absl::MutexLock lock(&mutex_);
    while (journal_->over() < round) progress_.Wait(&mutex_);
    return journal_->done() >= round;
  }
  DataDirectory& directory() { return *directory_; }
  Names& names() { return names_; }

 private:
  void SignalProgress() {
    absl::MutexLock lock(&mutex_);
    progress_.SignalAll();
  }

  const bool persistent_before_ = std::exchange(g_persistent, true);
  Names names_;
  const size_t count_;
  const std::unique_ptr<rocksdb::Env> env_{rocksdb::NewMemEnv(rocksdb::Env::Default())};
  absl::Mutex mutex_;
  absl::CondVar progress_;  // after each round
  Store store_{1};
  Store empty_{1};
  LayerRegistry layers_{[] { return size_t{1} << 20; }};
  std::unique_ptr<Journal> journal_;
  DataDirectory* directory_ = nullptr;  // the journal's
};

// A change of a key that waits for the next round already: all but the first between two rounds.
void MarkAgain(benchmark::State& state) {
  PersistentKeys keys(static_cast<size_t>(state.range(0)));
  if (!keys.ok()) return state.SkipWithError("no data directory");
  keys.SetAll();
  const AllocationMeter meter(state);
  for (auto _ : state) keys.Set(keys.names().Any());
}
BENCHMARK(MarkAgain)->Name("journal/set_marked_key/keys")->Arg(100)->Arg(10'000);

// So many keys change, and their rows are collected into a batch; figures are for one key.
void ChangeAndCollect(benchmark::State& state) {
  PersistentKeys keys(static_cast<size_t>(state.range(0)));
  if (!keys.ok()) return state.SkipWithError("no data directory");
  RoundBatch batch(keys.directory());
  const AllocationMeter meter(state, state.range(0));
  for (auto _ : state) {
    keys.SetAll();
    if (keys.Collect(batch) == 0) return state.SkipWithError("nothing was collected");
  }
}
BENCHMARK(ChangeAndCollect)
    ->Name("journal/change_collect/keys")
    ->Arg(100)
    ->Arg(10'000)
    ->Arg(1'000'000);

// The same with the journal's thread, which writes the batch. The time is that of the caller.
void ChangeAndSave(benchmark::State& state) {
  PersistentKeys keys(static_cast<size_t>(state.range(0)));
  if (!keys.ok() || !keys.Start()) return state.SkipWithError("no data directory");
  const AllocationMeter meter(state, state.range(0));
  for (auto _ : state) {
    keys.SetAll();
    if (!keys.Save()) return state.SkipWithError("a round failed");
  }
}
BENCHMARK(ChangeAndSave)
    ->Name("journal/change_save/keys")
    ->Arg(1)
    ->Arg(100)
    ->Arg(10'000)
    ->UseRealTime();

}  // namespace
}  // namespace chorale::bench
