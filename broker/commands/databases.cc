// The numbered databases as a whole: selecting, counting, emptying, exchanging them.
// https://redis.io/docs/latest/commands/?group=server

#include "broker/commands/databases.h"

#include <limits>

#include "broker/client.h"
#include "broker/commands/arguments.h"
#include "protocol/numbers.h"

namespace chorale {

std::optional<int> ReadDatabaseIndex(CommandContext& ctx, size_t index, std::string_view error) {
  const auto number = ParseInt64(ctx.arg(index));
  if (number && *number >= std::numeric_limits<int>::min() &&
      *number <= std::numeric_limits<int>::max()) {
    return static_cast<int>(*number);
  }
  constexpr std::string_view kTooLarge =
      "ERR value is out of range, value must between -2147483648 and 2147483647";
  const std::string_view usual = number ? kTooLarge : kNotAnInteger;
  ctx.reply.Error(error.empty() ? usual : error);
  return std::nullopt;
}

bool DatabaseExists(CommandContext& ctx, int db) {
  if (db >= 0 && db < ctx.keys.store().database_count()) return true;
  ctx.reply.Error("ERR DB index is out of range");
  return false;
}

std::optional<int> ReadDatabase(CommandContext& ctx, size_t index) {
  const auto db = ReadDatabaseIndex(ctx, index);
  return db && DatabaseExists(ctx, *db) ? db : std::nullopt;
}

namespace {

void Select(CommandContext& ctx) {
  const auto db = ReadDatabase(ctx, 1);
  if (!db) return;
  ctx.db = *db;
  if (ctx.origin != CommandContext::Origin::kScript) ctx.client.info->db = *db;
  ctx.reply.Ok();
}

void SwapDb(CommandContext& ctx) {
  const auto first = ReadDatabaseIndex(ctx, 1, "ERR invalid first DB index");
  if (!first) return;
  const auto second = ReadDatabaseIndex(ctx, 2, "ERR invalid second DB index");
  if (!second || !DatabaseExists(ctx, *first) || !DatabaseExists(ctx, *second)) return;
  if (*first != *second) ctx.keys.Swap(*first, *second);
  ctx.reply.Ok();
}

void DbSize(CommandContext& ctx) { ctx.reply.Integer(static_cast<int64_t>(ctx.keys.Size(ctx.db))); }

// Both ways free the memory when no other thread has to wait for it.
bool ReadFlushMode(CommandContext& ctx) {
  if (ctx.args.size() == 1) return true;
  if (ctx.args.size() == 2 && (IsWord(ctx.arg(1), "SYNC") || IsWord(ctx.arg(1), "ASYNC"))) {
    return true;
  }
  ctx.reply.Error(kSyntaxError);
  return false;
}

void FlushDb(CommandContext& ctx) {
  if (!ReadFlushMode(ctx)) return;
  ctx.keys.Flush(ctx.db);
  ctx.reply.Ok();
}

void FlushAll(CommandContext& ctx) {
  if (!ReadFlushMode(ctx)) return;
  for (int db = 0; db < ctx.keys.store().database_count(); ++db) ctx.keys.Flush(db);
  ctx.reply.Ok();
}

constexpr uint32_t kFlushes = kKeyspace | kCatWrite | kCatSlow | kCatDangerous;

constexpr Command kCommands[] = {
    {"dbsize", 1, kReadOnly | kFast | kAllShards, kNoKeys, kKeyspace | kCatRead | kCatFast, &DbSize,
     "server", "1.0.0", "Counts the keys of the database."},
    {"flushall", -1, kWrite | kAllShards, kNoKeys, kFlushes, &FlushAll, "server", "1.0.0",
     "Deletes all keys of all databases."},
    {"flushdb", -1, kWrite | kAllShards, kNoKeys, kFlushes, &FlushDb, "server", "1.0.0",
     "Deletes all keys of the database."},
    {"select", 2, kLoading | kStale | kFast, kNoKeys, kCatFast | kCatConnection, &Select,
     "connection", "1.0.0", "Chooses the database that the connection's commands use."},
    {"swapdb", 3, kWrite | kFast | kAllShards, kNoKeys,
     kKeyspace | kCatWrite | kCatFast | kCatDangerous, &SwapDb, "server", "4.0.0",
     "Exchanges the contents of two databases."},
};

}  // namespace

std::span<const Command> DatabaseCommands() { return kCommands; }

}  // namespace chorale
