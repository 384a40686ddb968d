// Walking over all keys: https://redis.io/docs/latest/commands/scan/

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "broker/commands/arguments.h"
#include "broker/commands/deferred.h"
#include "broker/random.h"
#include "storage/glob.h"
#include "storage/keyspace_walk.h"

namespace chorale {
namespace {

bool IsTypeName(std::string_view word, ValueType type) {
  const std::string_view name = ValueTypeName(type);
  return absl::EqualsIgnoreCase({word.data(), word.size()}, {name.data(), name.size()});
}

void Scan(CommandContext& ctx) {
  const auto cursor = ReadCursor(ctx, 1);
  if (!cursor) return;
  ScanOptions options;
  std::optional<std::string_view> type;
  if (!ReadScanOptions(ctx, 2, /*allow_no_values=*/false, &options, &type)) return;
  std::string elements;
  ReplyWriter writer(&elements, ctx.reply.version());
  size_t count = 0;
  const auto visit = [&](const Entry* entry) {
    if (type && !IsTypeName(*type, entry->type())) return;
    if (!options.Matches(entry->key())) return;
    writer.Bulk(entry->key());
    ++count;
  };
  const uint64_t next = ScanKeys(ctx.keys, ctx.db, *cursor, options.count, visit);
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

void RandomKeyCommand(CommandContext& ctx) {
  const Entry* entry = RandomKey(ctx.keys, ctx.db, ThreadRandom);
  entry != nullptr ? ctx.reply.Bulk(entry->key()) : ctx.reply.Null();
}

constexpr uint32_t kWalks = kKeyspace | kCatRead | kCatSlow;

constexpr Command kCommands[] = {
    {"keys", 2, kReadOnly | kAllShards, kNoKeys, kWalks | kCatDangerous, &Keys, "generic", "1.0.0",
     "Returns all keys whose name matches a pattern."},
    {"randomkey", 1, kReadOnly | kAllShards, kNoKeys, kWalks, &RandomKeyCommand, "generic", "1.0.0",
     "Returns a key chosen at random."},
    {"scan", -2, kReadOnly | kAllShards, kNoKeys, kWalks, &Scan, "generic", "2.8.0",
     "Walks over the keys of the database, some with each call."},
};

}  // namespace

std::span<const Command> ScanCommands() { return kCommands; }

}  // namespace chorale
