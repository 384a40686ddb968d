// Walking over all keys: https://redis.io/docs/latest/commands/scan/
//
// SCAN keeps nothing between calls: its cursor names a shard (the low bits) and the cursor of that
// shard's table (the others). A table's cursor promises that a key that is there from the first
// call to the last is returned, however the table grows or shrinks; a key never changes its shard;
// so the promise holds for the whole walk, shard after shard. Cursor 0 begins with shard 0, and is
// what the last shard's end returns.

#include <bit>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "broker/commands/arguments.h"
#include "broker/commands/deferred.h"
#include "broker/glob.h"
#include "broker/random.h"

namespace chorale {
namespace {

constexpr int kShardBits = std::countr_zero(static_cast<unsigned>(Store::kShardCount));
// How many buckets one call looks at for each key asked for: an almost empty table does not hold
// up everybody else.
constexpr size_t kBucketsPerKey = 10;

struct KeyScan {
  ScanOptions options;
  std::optional<std::string_view> type;
  size_t visited = 0;
  size_t buckets = 0;

  bool done() const {
    return visited >= options.count || buckets / kBucketsPerKey >= options.count;
  }
};

bool IsTypeName(std::string_view word, ValueType type) {
  const std::string_view name = ValueTypeName(type);
  return absl::EqualsIgnoreCase({word.data(), word.size()}, {name.data(), name.size()});
}

// Visits keys from the cursor on until enough were seen, and returns the next cursor.
template <typename Visitor>
uint64_t VisitFrom(CommandContext& ctx, KeyScan& scan, Visitor visit) {
  int shard = static_cast<int>(scan.options.cursor & (Store::kShardCount - 1));
  uint64_t cursor = scan.options.cursor >> kShardBits;
  for (; shard < Store::kShardCount; ++shard) {
    const Database& database = ctx.keys.DatabaseIn(shard, ctx.db);
    do {
      if (scan.done()) return cursor << kShardBits | static_cast<uint64_t>(shard);
      ++scan.buckets;
      cursor = database.entries().Scan(cursor, [&](const Entry* entry) {
        ++scan.visited;
        if (!ctx.keys.Expired(database, entry)) visit(entry);
      });
    } while (cursor != 0);
  }
  return 0;
}

void Scan(CommandContext& ctx) {
  KeyScan scan;
  const auto cursor = ReadCursor(ctx, 1);
  if (!cursor) return;
  scan.options.cursor = *cursor;
  if (!ReadScanOptions(ctx, 2, false, &scan.options, &scan.type)) return;
  std::string elements;
  ReplyWriter writer(&elements, ctx.reply.version());
  size_t count = 0;
  const uint64_t next = VisitFrom(ctx, scan, [&](const Entry* entry) {
    if (scan.type && !IsTypeName(*scan.type, entry->type())) return;
    if (!scan.options.Matches(entry->key())) return;
    writer.Bulk(entry->key());
    ++count;
  });
  WriteScanReply(ctx.reply, next, count, elements);
}

void Keys(CommandContext& ctx) {
  const std::string_view pattern = ctx.arg(1);
  WriteCounted(ctx.reply, &ReplyWriter::ArrayHeader, [&](ReplyWriter& writer) {
    size_t count = 0;
    ctx.keys.ForEach(ctx.db, [&](const Entry* entry) {
      if (!GlobMatches(pattern, entry->key())) return;
      writer.Bulk(entry->key());
      ++count;
    });
    return count;
  });
}

// The `position`-th key of the database's shards is in a table of which any key will do.
const Entry* KeyNear(CommandContext& ctx, size_t position) {
  for (int shard = 0; shard < Store::kShardCount; ++shard) {
    const auto& entries = ctx.keys.DatabaseIn(shard, ctx.db).entries();
    if (position < entries.size()) return entries.RandomNode(ThreadRandom);
    position -= entries.size();
  }
  return nullptr;
}

void RandomKey(CommandContext& ctx) {
  while (const size_t size = ctx.keys.Size(ctx.db)) {
    const Entry* entry = KeyNear(ctx, ThreadRandom() % size);
    // One whose time has passed is deleted by looking at it.
    if (const std::string key(entry->key()); ctx.keys.Exists(ctx.db, key)) {
      ctx.reply.Bulk(key);
      return;
    }
  }
  ctx.reply.Null();
}

constexpr uint32_t kWalks = kKeyspace | kCatRead | kCatSlow;

constexpr Command kCommands[] = {
    {"keys", 2, kReadOnly | kAllShards, kNoKeys, kWalks | kCatDangerous, &Keys, "generic", "1.0.0",
     "Returns all keys whose name matches a pattern."},
    {"randomkey", 1, kReadOnly | kAllShards, kNoKeys, kWalks, &RandomKey, "generic", "1.0.0",
     "Returns a key chosen at random."},
    {"scan", -2, kReadOnly | kAllShards, kNoKeys, kWalks, &Scan, "generic", "2.8.0",
     "Walks over the keys of the database, some with each call."},
};

}  // namespace

std::span<const Command> ScanCommands() { return kCommands; }

}  // namespace chorale
