#include "storage/persistence/recovery.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/locked_keys.h"
#include "storage/persistence/layer_recovery.h"
#include "storage/persistence/row_scan.h"
#include "storage/set.h"
#include "storage/sorted_set.h"

namespace chorale {
namespace {

// Rows between two looks at the shared counters.
constexpr uint64_t kCountEvery = 1024;
constexpr std::array kTypesInParts = {ValueType::kList, ValueType::kHash, ValueType::kSet,
                                      ValueType::kSortedSet};

// What names the parts of a large value.
using PartsName = std::pair<ValueType, PartsId>;

absl::Status GivenUp() { return absl::CancelledError("the reading was given up"); }

// Shared by the threads.
struct Shared {
  Store& store;
  Journal* journal;
  const RecoveryOptions& options;
  std::vector<uint32_t> spaces;
  std::atomic<size_t> next_task = 0;
  std::atomic<uint64_t> keys = 0, rows = 0, bytes = 0;

  absl::Mutex mutex;
  absl::Status status ABSL_GUARDED_BY(mutex);
  uint64_t expired ABSL_GUARDED_BY(mutex) = 0;
  // Which keys have, and of which there are rows.
  std::vector<PartsName> parts_of_keys ABSL_GUARDED_BY(mutex);
  std::vector<PartsName> parts_there ABSL_GUARDED_BY(mutex);
  int running ABSL_GUARDED_BY(mutex) = 0;
  absl::CondVar finished;  // one of them
};

// One thread's part of the work: the names of all parts of a type, or the keys of a partition.
class KeyReader {
 public:
  KeyReader(DataDirectory& directory, Shared& shared)
      : directory_(directory), shared_(shared), keys_(directory, Family::kKeys) {}

  absl::Status Run() {
    const size_t tasks = kTypesInParts.size() + shared_.spaces.size() * kPartitions;
    for (size_t task = shared_.next_task++; task < tasks; task = shared_.next_task++) {
      const auto status = task < kTypesInParts.size() ? ListParts(kTypesInParts[task])
                                                      : ReadPartition(task - kTypesInParts.size());
      if (!status.ok()) return status;
    }
    Count();
    absl::MutexLock lock(&shared_.mutex);
    shared_.expired += expired_;
    const auto append = [](std::vector<PartsName>& all, const std::vector<PartsName>& some) {
      all.insert(all.end(), some.begin(), some.end());
    };
    append(shared_.parts_of_keys, parts_of_keys_);
    append(shared_.parts_there, parts_there_);
    return absl::OkStatus();
  }

 private:
  absl::Status ListParts(ValueType type) {
    return RowScan(directory_, FamilyOfParts(type))
        .ForEachPrefix(kPartRowPrefix, [&](std::string_view name) {
          const auto part = ReadPartName(type, name);
          if (part) parts_there_.emplace_back(type, part->id);
          return part.has_value();
        });
  }

  absl::Status ReadPartition(size_t task) {
    const int db = static_cast<int>(task / kPartitions);
    std::string prefix;
    AppendBig32(&prefix, shared_.spaces[static_cast<size_t>(db)]);
    prefix.push_back(static_cast<char>(task % kPartitions));
    const auto status =
        keys_.ForEach(prefix, [this, db](std::string_view name, std::string_view content) {
          return ReadKey(db, name, content);
        });
    return status_.ok() ? status : status_;
  }

  bool ReadKey(int db, std::string_view name, std::string_view content) {
    if (!Read(name.size() + content.size())) return false;
    const auto read = ReadKeyName(name);
    const auto row = ReadKeyRow(content);
    if (!read || !row) return false;
    if (row->parts) parts_of_keys_.emplace_back(row->type, *row->parts);
    if (row->expiry_ms && *row->expiry_ms <= shared_.options.now_ms) {
      Expire(db, read->key, *row);
      return true;
    }
    return Restore(db, read->key, *row);
  }

  bool Restore(int db, std::string_view key, const KeyRow& row) {
    Entry::Pointer entry = ReadValue(key, row);
    if (entry == nullptr) return false;
    LockedKeys keys(shared_.store, shared_.options.now_ms);
    keys.Lock(Store::MaskOf(key));
    keys.Restore(db, std::move(entry), row.expiry_ms.value_or(Database::kNever));
    ++restored_;
    return true;
  }

  // nullptr if it makes no sense.
  Entry::Pointer ReadValue(std::string_view key, const KeyRow& row) {
    switch (row.type) {
      case ValueType::kString:
        return Entry::NewString(key, row.value);
      case ValueType::kList:
        return Fill(key, row, std::make_unique<List>());
      case ValueType::kHash:
        return Fill(key, row, std::make_unique<Hash>());
      case ValueType::kSet:
        return Fill(key, row, std::make_unique<Set>());
      case ValueType::kSortedSet:
        return Fill(key, row, std::make_unique<SortedSet>());
      case ValueType::kChannelQueue:
        break;
    }
    return nullptr;
  }

  template <typename T>
  Entry::Pointer Fill(std::string_view key, const KeyRow& row, std::unique_ptr<T> value) {
    if (row.parts) {
      status_.Update(ReadParts(*value, *row.parts));
      if (!status_.ok()) return nullptr;
    } else {
      const bool read =
          ReadElements(row.type, row.value, [&](const Element& element) { Add(*value, element); });
      if (!read) return nullptr;
      // It may have become a large value, by other limits; it is written as one when it changes.
      if constexpr (std::is_same_v<T, List>) {
        if (value->parts() != nullptr) value->parts()->bytes.Clear();
      } else {
        if (value->parts() != nullptr) value->parts()->names.bytes.Clear();
      }
    }
    if (value->size() == 0) return nullptr;
    return Entry::NewObject(key, std::move(value));
  }

  static void Add(List& list, const Element& element) { list.PushBack(element.name); }
  static void Add(Set& set, const Element& element) { set.Add(element.name); }
  static void Add(Hash& hash, const Element& element) { hash.Set(element.name, element.value); }
  static void Add(SortedSet& set, const Element& element) { set.Add(element.name, element.score); }

  absl::Status ReadParts(List& list, PartsId id) {
    UnsavedBlocks& parts = list.BecomeBlocks();
    std::vector<std::string_view> elements;
    const auto status =
        ForEachPart(ValueType::kList, id, [&](const PartRowName& name, std::string_view content) {
          elements.clear();
          const bool read = ReadElements(ValueType::kList, content, [&](const Element& element) {
            elements.push_back(element.name);
          });
          if (read) list.AppendBlock(name.order, elements);
          return read;
        });
    parts.id = id;
    parts.Saved();
    return status;
  }
  template <typename T>
  absl::Status ReadParts(T& value, PartsId id) {
    constexpr ValueType kType = kValueTypeOf<T>;
    value.BecomeTable();
    const auto status =
        ForEachPart(kType, id, [&](const PartRowName& name, std::string_view content) {
          const auto part = ReadPart(kType, name.part, content);
          if (part) Add(value, *part);
          return part.has_value();
        });
    if (UnsavedParts* const parts = value.parts(); parts != nullptr) {
      parts->id = id;
      value.CollectParts([](auto&&...) {});
      parts->Saved();
    }
    return status;
  }

  // `add(name, content)` is false if it could make no sense of the content.
  template <typename Add>
  absl::Status ForEachPart(ValueType type, PartsId id, Add add) {
    auto& parts = parts_[static_cast<size_t>(type)];
    if (!parts) parts.emplace(directory_, FamilyOfParts(type));
    std::string prefix;
    NamePartRow(id, {}, &prefix);
    return parts->ForEach(prefix, [&](std::string_view name, std::string_view content) {
      if (!Read(name.size() + content.size())) return false;
      const auto read = ReadPartName(type, name);
      return read && add(*read, content);
    });
  }

  // Its time has passed: the rows go with the next round.
  void Expire(int db, std::string_view key, const KeyRow& row) {
    ++expired_;
    if (shared_.journal == nullptr) return;
    const int index = Store::ShardOf(key);
    LockedKeys keys(shared_.store, shared_.options.now_ms);
    keys.Lock(ShardMask{1} << index);
    Shard& shard = keys.shard(index);
    shard.mutex.AssertHeld();
    shard.databases[static_cast<size_t>(db)]->unsaved.erased.emplace(key);
    if (row.parts) shard.dropped_parts.push_back({row.type, *row.parts});
    shard.marked = true;
    shared_.journal->Mark(ShardMask{1} << index);
  }

  // False if the reading is to end here.
  bool Read(size_t bytes) {
    ++rows_;
    bytes_ += bytes;
    if (rows_ < kCountEvery) return true;
    Count();
    if (shared_.options.stopping()) status_.Update(GivenUp());
    return status_.ok();
  }
  // In this order, and shown in the other one, so that no key is shown before its row.
  void Count() {
    shared_.bytes += std::exchange(bytes_, 0);
    shared_.rows += std::exchange(rows_, 0);
    shared_.keys += std::exchange(restored_, 0);
  }

  DataDirectory& directory_;
  Shared& shared_;
  RowScan keys_;
  std::array<std::optional<RowScan>, static_cast<size_t>(ValueType::kChannelQueue)> parts_;
  absl::Status status_;  // why a row was not taken, if it is not for what it says
  uint64_t rows_ = 0, bytes_ = 0, restored_ = 0, expired_ = 0;
  std::vector<PartsName> parts_of_keys_, parts_there_;
};

// A number that no row has.
uint64_t NextNumber(const std::vector<PartsName>& parts) {
  uint64_t next = 1;
  for (const auto& [type, id] : parts) next = std::max(next, id.number + 1);
  return next;
}

// Parts that no key has: their rows go with the next round. Returns of how many values.
uint64_t DropOrphans(Shared& shared) {
  std::vector<PartsName> orphans;
  {
    absl::MutexLock lock(&shared.mutex);
    std::sort(shared.parts_of_keys.begin(), shared.parts_of_keys.end());
    std::sort(shared.parts_there.begin(), shared.parts_there.end());
    std::set_difference(shared.parts_there.begin(), shared.parts_there.end(),
                        shared.parts_of_keys.begin(), shared.parts_of_keys.end(),
                        std::back_inserter(orphans));
  }
  if (orphans.empty() || shared.journal == nullptr) return orphans.size();
  constexpr ShardMask kAnyShard = 1;
  LockedKeys keys(shared.store, shared.options.now_ms);
  keys.Lock(kAnyShard);
  Shard& shard = keys.shard(0);
  shard.mutex.AssertHeld();
  for (const auto& [type, id] : orphans) shard.dropped_parts.push_back({type, id});
  shard.marked = true;
  shared.journal->Mark(kAnyShard);
  return orphans.size();
}

uint64_t EstimateRows(DataDirectory& directory) {
  uint64_t rows = 0;
  for (size_t family = 0; family < kFamilyNames.size(); ++family) {
    uint64_t estimate = 0;
    directory.db().GetIntProperty(directory.family(static_cast<Family>(family)),
                                  rocksdb::DB::Properties::kEstimateNumKeys, &estimate);
    rows += estimate;
  }
  return rows;
}

// No key lies where nobody would look for it. Goes from space to space.
absl::Status CheckSpaces(DataDirectory& directory, const std::vector<uint32_t>& spaces) {
  RowScan keys(directory, Family::kKeys);
  std::string from;
  for (auto name = keys.NameFrom(from); name; name = keys.NameFrom(from)) {
    if (name->size() < kKeyRowPrefix) return Damaged(directory, "a key without a database");
    const uint32_t space = ReadBig32(name->data());
    if (std::find(spaces.begin(), spaces.end(), space) == spaces.end()) {
      return Damaged(directory, "a key of no database");
    }
    from.clear();
    AppendBig32(&from, space);
    from.push_back(static_cast<char>(kPartitions));
    name = keys.NameFrom(from);
    if (!name) break;
    if (name->starts_with(from.substr(0, sizeof(space)))) {
      return Damaged(directory, "a key of no partition");
    }
    from = *name;
  }
  return keys.status();
}

// The spaces of the databases, and of none that this broker does not have.
absl::Status TakeSpaces(DataDirectory& directory, const DataDirectory::Format& format,
                        int databases, Recovered* recovered) {
  recovered->spaces = format.spaces;
  recovered->next_space = format.next_space;
  const auto wanted = static_cast<size_t>(databases);
  RowScan keys(directory, Family::kKeys);
  for (size_t db = wanted; db < format.spaces.size(); ++db) {
    std::string prefix;
    AppendBig32(&prefix, format.spaces[db]);
    const auto name = keys.NameFrom(prefix);
    if (name && name->starts_with(prefix)) {
      return absl::FailedPreconditionError(
          fmt::format("the data directory has keys in database {}, but the option databases is {}",
                      db, databases));
    }
  }
  recovered->spaces.resize(std::min(wanted, format.spaces.size()));
  while (recovered->spaces.size() < wanted) recovered->spaces.push_back(recovered->next_space++);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Recovered> Recover(DataDirectory& directory, Store& store, LayerRegistry& layers,
                                  Journal* journal, const RecoveryOptions& options) {
  const auto format = directory.ReadFormat();
  if (!format.ok()) return format.status();
  Recovered recovered;
  recovered.clean = format->clean;
  if (const auto status = CheckSpaces(directory, format->spaces); !status.ok()) return status;
  if (const auto status = TakeSpaces(directory, *format, store.database_count(), &recovered);
      !status.ok()) {
    return status;
  }

  Shared shared{store, journal, options, recovered.spaces, {}, {}, {}, {}, {}, {}, {}, {},
                {},    {},      {}};
  const uint64_t total_rows = EstimateRows(directory);
  const auto show = [&] { options.show({shared.keys, shared.rows, shared.bytes, total_rows}); };
  {
    absl::MutexLock lock(&shared.mutex);
    shared.running = options.threads;
  }
  std::vector<std::thread> readers;
  for (int i = 0; i < options.threads; ++i) {
    readers.emplace_back([&directory, &shared] {
      const auto status = KeyReader(directory, shared).Run();
      absl::MutexLock lock(&shared.mutex);
      shared.status.Update(status);
      --shared.running;
      shared.finished.Signal();
    });
  }
  {
    absl::MutexLock lock(&shared.mutex);
    while (shared.running > 0) {
      const bool waited_in_vain =
          shared.finished.WaitWithTimeout(&shared.mutex, options.show_every);
      if (waited_in_vain) show();
    }
  }
  for (std::thread& reader : readers) reader.join();
  {
    absl::MutexLock lock(&shared.mutex);
    if (!shared.status.ok()) return shared.status;
    recovered.keys = shared.keys;
    recovered.expired = shared.expired;
    recovered.next_number =
        std::max(NextNumber(shared.parts_of_keys), NextNumber(shared.parts_there));
  }
  recovered.orphans = DropOrphans(shared);
  const bool exact = format->clean || format->always;
  absl::Time shown = absl::Now();
  bool given_up = false;
  const auto on_row = [&](size_t bytes) {
    shared.bytes += bytes;
    if (++shared.rows % kCountEvery != 0) return true;
    given_up = options.stopping();
    if (absl::Now() - shown >= options.show_every) {
      shown = absl::Now();
      show();
    }
    return !given_up;
  };
  const auto status =
      RestoreLayers(directory, store, layers, options.now_ms, exact, on_row, recovered);
  if (given_up) return GivenUp();
  if (!status.ok()) return status;
  recovered.bytes = shared.bytes;
  return recovered;
}

}  // namespace chorale
