// A store with a journal and a data directory, without a broker around them, and the words in which
// the tests of persistence speak: With(), Save(), Stop(), Contents().

#pragma once

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/hash.h"
#include "storage/layers/layer.h"
#include "storage/list.h"
#include "storage/locked_keys.h"
#include "storage/persistence/check.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/journal.h"
#include "storage/persistence/recovery.h"
#include "storage/set.h"
#include "storage/sorted_set.h"
#include "storage/store.h"
#include "storage/unsaved.h"

namespace chorale {

// Nothing that a test waits for takes so long.
inline constexpr absl::Duration kDeadline = absl::Seconds(60);
// The time that the tests' tokens have.
inline constexpr int64_t kNow = 1'000'000'000'000;

// What a key holds, in one line: type, expiry and value. Long ones are cut short, with their hash.
inline std::string Describe(LockedKeys& keys, int db, Entry* entry) {
  std::vector<std::string> parts;
  IntegerText scratch;
  switch (entry->type()) {
    case ValueType::kString:
      parts.emplace_back(entry->StringValue(scratch));
      break;
    case ValueType::kList: {
      const List& list = entry->object<List>();
      list.ForEach(0, list.size(), [&](std::string_view element) { parts.emplace_back(element); });
      break;
    }
    case ValueType::kHash:
      entry->object<Hash>().ForEach([&](std::string_view field, std::string_view value) {
        parts.push_back(fmt::format("{}={}", field, value));
      });
      break;
    case ValueType::kSet:
      entry->object<Set>().ForEach([&](std::string_view member) { parts.emplace_back(member); });
      break;
    case ValueType::kSortedSet:
      entry->object<SortedSet>().ForEach([&](std::string_view member, double score) {
        parts.push_back(fmt::format("{}={}", member, score));
      });
      break;
    case ValueType::kChannelQueue:
      parts.emplace_back("(queue)");
      break;
  }
  if (entry->type() == ValueType::kHash || entry->type() == ValueType::kSet) {
    std::sort(parts.begin(), parts.end());
  }
  std::string value;
  for (const std::string& part : parts) value += fmt::format("{}:{},", part.size(), part);
  if (value.size() > 200) {
    const size_t hash = std::hash<std::string>()(value);
    value = fmt::format("{}... ({} elements, hash {:x})", value.substr(0, 40), parts.size(), hash);
  }
  return fmt::format("{} until {}: {}", ValueTypeName(entry->type()), keys.Expiry(db, entry),
                     value);
}

using Contents = std::map<std::string, std::string>;  // by "database/key"

class PersistentStore {
 public:
  struct Options {
    Journal::Sync sync = Journal::Sync::kEverySecond;
    int databases = 4;
    int64_t most_unsaved_bytes = int64_t{1} << 40;
    rocksdb::Env* env = nullptr;
    int64_t now_ms = kNow;
    int threads = 2;
    bool importing = false;
    std::function<bool()> stopping = [] { return false; };
    std::function<void(const RecoveryProgress&)> show = [](const RecoveryProgress&) {};
    absl::Duration show_every = absl::Seconds(1);
  };

  // What a directory holds, with a journal that is running.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PersistentStore>> Open(
      const std::string& path, const Options& options) {
    auto directory = DataDirectory::Open(path, DataDirectory::Mode::kReadWrite, options.env,
                                         options.sync == Journal::Sync::kAlways
                                             ? DataDirectory::Batches::kSmall
                                             : DataDirectory::Batches::kLarge);
    if (!directory.ok()) return directory.status();
    DataDirectory& opened = **directory;
    std::unique_ptr<PersistentStore> store(new PersistentStore(options, std::move(*directory)));
    auto recovered =
        Recover(opened, store->store_, store->layers_, store->journal_.get(), store->recovery());
    if (!recovered.ok()) return recovered.status();
    store->recovered_ = *recovered;
    const auto status = store->journal_->Start(store->layers_, recovered->spaces,
                                               recovered->next_space, recovered->next_number);
    if (!status.ok()) return status;
    return store;
  }

  // What a directory holds, without writing to it.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PersistentStore>> Look(
      const std::string& path, const Options& options) {
    auto directory = DataDirectory::Open(path, DataDirectory::Mode::kReadOnly, options.env);
    if (!directory.ok()) return directory.status();
    std::unique_ptr<PersistentStore> store(new PersistentStore(options, nullptr));
    auto recovered =
        Recover(**directory, store->store_, store->layers_, nullptr, store->recovery());
    if (!recovered.ok()) return recovered.status();
    store->recovered_ = *recovered;
    return store;
  }

  // Without Stop() as after a crash of the broker, but not of the machine.
  ~PersistentStore() { journal_.reset(); }

  Store& store() { return store_; }
  LayerRegistry& layers() { return layers_; }
  Journal& journal() { return *journal_; }
  const Recovered& recovered() const { return recovered_; }

  absl::Status Stop() { return journal_->Stop(); }
  // Has a round written and waits until it is over.
  absl::Status Save() {
    const uint64_t round = journal_->Save();
    const bool over = Await([&] { return journal_->over() >= round; });
    EXPECT_TRUE(over) << "no round within the deadline";
    if (journal_->done() >= round) return absl::OkStatus();
    return absl::UnavailableError(journal_->failure());
  }
  absl::Status Copy(const std::string& path) {
    bool called = false;  // guarded by mutex_
    absl::Status copied;
    journal_->Copy(path, [&](const absl::Status& status) {
      absl::MutexLock lock(&mutex_);
      copied = status;
      called = true;
      progress_.SignalAll();
    });
    EXPECT_TRUE(Await([&] { return called; }));
    absl::MutexLock lock(&mutex_);
    return copied;
  }
  // Looks after each round whether `happened` is true. False after the deadline.
  bool Await(const std::function<bool()>& happened) {
    const absl::Time deadline = absl::Now() + kDeadline;
    absl::MutexLock lock(&mutex_);
    while (!happened()) {
      if (progress_.WaitWithDeadline(&mutex_, deadline)) return happened();
    }
    return true;
  }

  // Runs work(LockedKeys&) under a token that holds the shards of these keys, or every shard.
  template <typename Work>
  void With(const std::vector<std::string>& names, Work work) {
    LockedKeys keys(store_, options_.now_ms);
    keys.Lock(Store::MaskOf(names));
    work(keys);
  }
  template <typename Work>
  void WithAll(Work work) {
    LockedKeys keys(store_, options_.now_ms);
    keys.Lock(Store::kAllShards);
    work(keys);
  }

  void SetString(int db, const std::string& key, std::string_view value) {
    With({key}, [&](LockedKeys& keys) { keys.SetString(db, key, value); });
  }
  void Delete(int db, const std::string& key) {
    With({key}, [&](LockedKeys& keys) { keys.Delete(db, key); });
  }
  template <typename T, typename Work>
  void Change(int db, const std::string& key, Work change) {
    With({key}, [&](LockedKeys& keys) {
      Edit<T> edit(keys, db, key, IfAbsent::kCreate);
      change(*edit);
      edit.MarkChanged();
    });
  }
  // "(none)" if there is no such string.
  [[nodiscard]] std::string StringOf(int db, const std::string& key) {
    std::string text = "(none)";
    With({key}, [&](LockedKeys& keys) {
      Entry* entry = keys.Find(db, key);
      IntegerText scratch;
      if (entry != nullptr && entry->type() == ValueType::kString) {
        text = entry->StringValue(scratch);
      }
    });
    return text;
  }
  [[nodiscard]] Contents contents() {
    Contents contents;
    WithAll([&](LockedKeys& keys) {
      for (int db = 0; db < options_.databases; ++db) {
        keys.ForEach(db, [&](Entry* entry) {
          contents[fmt::format("{}/{}", db, entry->key())] = Describe(keys, db, entry);
        });
      }
    });
    return contents;
  }

 private:
  PersistentStore(const Options& options, std::unique_ptr<DataDirectory> directory)
      : options_(options), store_(options.databases) {
    if (directory == nullptr) return;
    journal_ = std::make_unique<Journal>(
        std::move(directory), store_,
        Journal::Options{options.sync, [most = options.most_unsaved_bytes] { return most; },
                         [this] {
                           absl::MutexLock lock(&mutex_);
                           progress_.SignalAll();
                         },
                         options.importing});
    store_.set_journal(journal_.get());
    layers_.set_unsaved(&journal_->unsaved_layers());
  }

  RecoveryOptions recovery() const {
    return {options_.threads, options_.now_ms, options_.show_every, options_.show,
            options_.stopping};
  }

  const Options options_;
  absl::Mutex mutex_;
  absl::CondVar progress_;  // after each round
  Store store_;
  LayerRegistry layers_{[] { return size_t{1} << 20; }};
  std::unique_ptr<Journal> journal_;
  Recovered recovered_;
};

class PersistenceFixture : public testing::Test {
 protected:
  using Options = PersistentStore::Options;
  using Running = std::unique_ptr<PersistentStore>;

  void SetUp() override {
    unsaved_before_ = g_unsaved_bytes.load();
    persistent_before_ = std::exchange(g_persistent, true);
    std::string name = (std::filesystem::temp_directory_path() / "chorale-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override {
    g_persistent = persistent_before_;
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
    EXPECT_EQ(g_unsaved_bytes.load(), unsaved_before_) << "the estimate of what waits has drifted";
  }

  [[nodiscard]] std::string Path(const std::string& name) const { return (root_ / name).string(); }
  // nullptr, and the test has failed, if it cannot be opened.
  [[nodiscard]] Running Open(const std::string& name, const Options& options = {}) {
    return Checked(PersistentStore::Open(Path(name), options));
  }
  // Stops it in order, and opens the directory at that time; nullptr, and the test has failed, if
  // one of them cannot be done.
  [[nodiscard]] Running StartAgain(Running store, const std::string& name, int64_t now_ms) {
    const absl::Status stopped = store->Stop();
    EXPECT_TRUE(stopped.ok()) << stopped;
    store.reset();
    if (!stopped.ok()) return nullptr;
    Options options;
    options.now_ms = now_ms;
    return Open(name, options);
  }
  [[nodiscard]] Running Look(const std::string& name, const Options& options = {}) {
    return Checked(PersistentStore::Look(Path(name), options));
  }
  // What --check finds, of a directory that nobody has open.
  [[nodiscard]] absl::StatusOr<DirectorySummary> Check(const std::string& name) const {
    const auto directory = DataDirectory::Open(Path(name), DataDirectory::Mode::kReadOnly);
    if (!directory.ok()) return directory.status();
    return CheckRows(**directory, kNow);
  }
  // The message with which it cannot be opened.
  [[nodiscard]] std::string Refusal(const std::string& name, const Options& options = {}) {
    const auto opened = PersistentStore::Open(Path(name), options);
    return std::string(opened.status().message());
  }
  // Writes a row into a directory that nobody has open.
  void PutRow(const std::string& name, Family family, const std::string& row,
              const std::string& content) const {
    const auto directory = DataDirectory::Open(Path(name), DataDirectory::Mode::kReadWrite);
    ASSERT_TRUE(directory.ok());
    rocksdb::WriteBatch batch;
    batch.Put((*directory)->family(family), row, content);
    ASSERT_TRUE((*directory)->Write(&batch, true).ok());
  }
  // Names of keys in different shards.
  [[nodiscard]] static std::pair<std::string, std::string> KeysApart(const std::string& name) {
    for (int i = 0;; ++i) {
      std::string other = fmt::format("{}-{}", name, i);
      if (Store::ShardOf(other) != Store::ShardOf(name)) return {name, other};
    }
  }

  std::filesystem::path root_;

 private:
  static Running Checked(absl::StatusOr<Running> opened) {
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }

  int64_t unsaved_before_ = 0;
  bool persistent_before_ = false;
};

}  // namespace chorale
