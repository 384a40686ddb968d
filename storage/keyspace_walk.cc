#include "storage/keyspace_walk.h"

#include <bit>
#include <string>

namespace chorale {
namespace {

constexpr int kShardBits = std::countr_zero(static_cast<unsigned>(Store::kShardCount));

// How many buckets one call looks at for each key asked for: a table that is almost empty does not
// hold up everybody else.
constexpr size_t kBucketsPerKey = 10;

// Any key of the table that holds the `position`-th key.
Entry* KeyNear(LockedKeys& keys, int db, size_t position, RandomBits random) {
  for (int shard = 0; shard < Store::kShardCount; ++shard) {
    const auto& entries = keys.DatabaseIn(shard, db).entries();
    if (position < entries.size()) return entries.RandomNode(random);
    position -= entries.size();
  }
  return nullptr;
}

}  // namespace

uint64_t ScanKeys(LockedKeys& keys, int db, uint64_t cursor, size_t count,
                  absl::FunctionRef<void(const Entry*)> visit) {
  size_t visited = 0;
  size_t buckets = 0;
  int shard = static_cast<int>(cursor & (Store::kShardCount - 1));
  uint64_t position = cursor >> kShardBits;
  for (; shard < Store::kShardCount; ++shard) {
    const Database& database = keys.DatabaseIn(shard, db);
    if (database.entries().empty()) {
      position = 0;
      continue;
    }
    do {
      if (visited >= count || buckets / kBucketsPerKey >= count) {
        return position << kShardBits | static_cast<uint64_t>(shard);
      }
      ++buckets;
      position = database.entries().Scan(position, [&](const Entry* entry) {
        ++visited;
        if (!keys.Expired(database, entry)) visit(entry);
      });
    } while (position != 0);
  }
  return 0;
}

const Entry* RandomKey(LockedKeys& keys, int db, RandomBits random) {
  while (const size_t size = keys.Size(db)) {
    const Entry* entry = KeyNear(keys, db, random() % size, random);
    const std::string key(entry->key());
    if (const Entry* live = keys.Find(db, key)) return live;
  }
  return nullptr;
}

}  // namespace chorale
