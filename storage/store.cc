#include "storage/store.h"

#include <utility>

#include "storage/hash.h"
#include "storage/locked_keys.h"
#include "storage/set.h"
#include "storage/sorted_set.h"

namespace chorale {
namespace {

// How much of a shard's expiries one call of ExpireSome looks at, and how often it goes on when
// more than a quarter of what it saw had expired.
constexpr size_t kExpiryBatch = 256;
constexpr int kExpiryRounds = 16;

}  // namespace

Store::Store(int databases, std::function<bool()> give_up)
    : database_count_(databases), give_up_(std::move(give_up)) {
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (int i = 0; i <= databases; ++i) shard.databases.push_back(std::make_unique<Database>());
  }
}

ShardMask Store::MaskOf(const std::vector<std::string>& keys) {
  ShardMask mask = 0;
  for (const std::string& key : keys) mask |= MaskOf(key);
  return mask;
}

void Store::Prefetch(int db, std::span<const uint64_t> hashes) {
  const auto prefetch = [&](auto address) {
    for (const uint64_t hash : hashes) {
      Shard& shard = shards_[ShardOfHash(hash)];
      if (!shard.mutex.TryLock()) continue;
      // Here and not in a function of the table: GCC takes a function that does nothing but
      // prefetch for one without effect and leaves the call out.
      __builtin_prefetch(address(shard.databases[db]->entries(), hash), 1);
      shard.mutex.Unlock();
    }
  };
  prefetch([](const auto& table, uint64_t hash) { return table.BucketOf(hash); });
  prefetch(
      [](const auto& table, uint64_t hash) -> const void* { return table.FirstInBucket(hash); });
  prefetch([](const auto& table, uint64_t hash) -> const void* {
    const Entry* first = table.FirstInBucket(hash);
    return first == nullptr ? nullptr : first->next;
  });
}

void Store::PrefetchParts(int db, std::string_view key, uint64_t hash,
                          std::span<const uint64_t> parts, std::span<const uint64_t> scored) {
  Shard& shard = shards_[ShardOfHash(hash)];
  if (!shard.mutex.TryLock()) return;
  if (Entry* entry = shard.databases[db]->Find(key, hash); entry != nullptr) {
    switch (entry->type()) {
      case ValueType::kHash:
        entry->object<Hash>().Prefetch(parts);
        break;
      case ValueType::kSet:
        entry->object<Set>().Prefetch(parts);
        break;
      case ValueType::kSortedSet:
        entry->object<SortedSet>().Prefetch(scored);
        break;
      default:
        break;
    }
  }
  shard.mutex.Unlock();
}

size_t Store::ExpireSome(int index, int64_t now_ms) {
  Shard& shard = shards_[index];
  LockedKeys keys(*this, now_ms);
  // A shard that is busy is looked at next time; the caller serves clients and may not wait.
  if (!keys.Lock(ShardMask{1} << index, [] { return true; })) return 0;
  shard.mutex.AssertHeld();
  size_t freed = 0;
  for (auto& database : shard.databases) {
    for (int round = 0; round < kExpiryRounds && database->expiring() > 0; ++round) {
      const size_t freed_now = keys.ExpireBatch(shard, *database, kExpiryBatch);
      freed += freed_now;
      if (freed_now < kExpiryBatch / 4) break;
    }
  }
  return freed;
}

void Store::ServeWaiters(int db, const std::string& key, int64_t now_ms) {
  for (ShardMask mask = MaskOf(key);;) {
    LockedKeys keys(*this, now_ms);
    if (!keys.Lock(mask, [this] { return give_up_(); })) {
      absl::MutexLock lock(&unserved_mutex_);
      unserved_.emplace_back(db, key);
      return;
    }
    const std::string target = keys.ServeKey(db, key);
    if (target.empty()) return;
    mask = MaskOf(key) | MaskOf(target);
  }
}

void Store::ServeUnserved(int64_t now_ms) {
  std::vector<std::pair<int, std::string>> keys;
  {
    absl::MutexLock lock(&unserved_mutex_);
    keys.swap(unserved_);
  }
  for (const auto& [db, key] : keys) ServeWaiters(db, key, now_ms);
}

}  // namespace chorale
