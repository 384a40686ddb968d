// The keyspace: 2^k shards, each with one lock, each holding its part of every database.
//
// Ownership and locks. The store owns all data. Nobody touches a shard but through a LockedKeys
// token (locked_keys.h), which locks the shards of its keys in ascending order and is released as
// a whole; that order is the only one in which two shards are ever held. After the shards come, in
// this order: the pub/sub registry, then the inbox of an I/O thread. All members are thread-safe.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/database.h"

namespace chorale {

// A set of shards, one bit each.
using ShardMask = uint64_t;

class Journal;

// Values that are gone, of which there are rows: what names the rows.
struct DroppedParts {
  ValueType type;
  PartsId id;
};
struct DroppedMessages {
  std::string queue_key;
  uint64_t begin, end;  // numbers
};

struct alignas(64) Shard {
  absl::Mutex mutex;
  std::vector<std::unique_ptr<Database>> databases ABSL_GUARDED_BY(mutex);
  // Lookups for INFO's keyspace_hits and keyspace_misses, and keys that expired.
  uint64_t hits ABSL_GUARDED_BY(mutex) = 0;
  uint64_t misses ABSL_GUARDED_BY(mutex) = 0;
  uint64_t expired ABSL_GUARDED_BY(mutex) = 0;
  // ---- persistence ----
  // The journal knows that something here is to be written.
  bool marked ABSL_GUARDED_BY(mutex) = false;
  std::vector<DroppedParts> dropped_parts ABSL_GUARDED_BY(mutex);
  std::vector<DroppedMessages> dropped_messages ABSL_GUARDED_BY(mutex);
};

class Store {
 public:
  static constexpr int kShardCount = 64;
  static constexpr ShardMask kAllShards = ~ShardMask{0};

  // `databases` is the number of databases, 1 or more. While `give_up` is true, some thread may
  // hold shards for long, and nobody waits for them who serves clients.
  explicit Store(
      int databases, std::function<bool()> give_up = [] { return false; });
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Before there is any data. The journal outlives all changes.
  void set_journal(Journal* journal) { journal_ = journal; }
  // nullptr without persistence.
  Journal* journal() const { return journal_; }

  int database_count() const { return database_count_; }
  // One more, which no client can select: it holds the queues of channels (layers/channel_queue.h).
  int layers_db() const { return database_count_; }

  static int ShardOf(std::string_view key) { return ShardOfHash(HashKey(key)); }
  static int ShardOfHash(uint64_t hash) { return static_cast<int>(hash >> 58); }
  static ShardMask MaskOf(std::string_view key) { return ShardMask{1} << ShardOf(key); }
  static ShardMask MaskOf(const std::vector<std::string>& keys);

  // Brings what a look at each of the keys would touch into the cache, all at the same time; the
  // commands that follow then wait for memory once in the place of once each. The caller holds no
  // shard.
  void Prefetch(int db, std::span<const uint64_t> hashes);
  // The same for what several commands look at in the value of one key: the fields or members with
  // these hashes, or, in a sorted set, the members with the others, where a score comes first.
  void PrefetchParts(int db, std::string_view key, uint64_t hash, std::span<const uint64_t> parts,
                     std::span<const uint64_t> scored);

  // Frees keys whose time has passed, looking at no more than a bounded part of one shard. The
  // broker calls it with each shard in turn, some hundred times a second. Returns keys freed.
  size_t ExpireSome(int shard, int64_t now_ms);

  // Serves the waiters of a key that need a further key as well, one token each; see waiter.h. The
  // caller holds no shard. If shards are held for long, ServeUnserved() does it later.
  void ServeWaiters(int db, const std::string& key, int64_t now_ms);
  // The broker calls it now and then.
  void ServeUnserved(int64_t now_ms);

 private:
  friend class LockedKeys;

  const int database_count_;
  Journal* journal_ = nullptr;
  const std::function<bool()> give_up_;
  absl::Mutex unserved_mutex_;
  std::vector<std::pair<int, std::string>> unserved_ ABSL_GUARDED_BY(unserved_mutex_);
  std::array<Shard, kShardCount> shards_;
};

}  // namespace chorale
