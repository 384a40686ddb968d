// Hashes: https://redis.io/docs/latest/commands/?group=hash

#include <cmath>
#include <limits>
#include <string>

#include "broker/commands/arguments.h"
#include "broker/dispatch.h"
#include "broker/random.h"
#include "protocol/numbers.h"
#include "storage/hash.h"

namespace chorale {
namespace {

void SetFields(Edit<Hash>& hash, Arguments pairs, int64_t* added) {
  for (size_t i = 0; i < pairs.size(); i += 2) *added += hash->Set(pairs[i], pairs[i + 1]);
  hash.MarkChanged();
}

void HSet(CommandContext& ctx) {
  if (ctx.args.size() % 2 != 0) return WriteWrongArity(ctx.command, ctx.reply);
  Edit<Hash> hash(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t added = 0;
  SetFields(hash, ctx.args.subspan(2), &added);
  ctx.reply.Integer(added);
}

void HMSet(CommandContext& ctx) {
  if (ctx.args.size() % 2 != 0) return WriteWrongArity(ctx.command, ctx.reply);
  Edit<Hash> hash(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t added = 0;
  SetFields(hash, ctx.args.subspan(2), &added);
  ctx.reply.Ok();
}

void HSetNx(CommandContext& ctx) {
  Edit<Hash> hash(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  const bool absent = !hash->Contains(ctx.arg(2));
  if (absent) hash->Set(ctx.arg(2), ctx.arg(3));
  ctx.reply.Integer(absent);
}

void WriteValue(const View<Hash>& hash, std::string_view field, ReplyWriter& reply) {
  const auto value = hash ? hash->Get(field) : std::nullopt;
  value ? reply.Bulk(*value) : reply.Null();
}

void HGet(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  WriteValue(hash, ctx.arg(2), ctx.reply);
}

void HMGet(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.ArrayHeader(ctx.args.size() - 2);
  for (const std::string_view field : ctx.args.subspan(2)) WriteValue(hash, field, ctx.reply);
}

void HDel(CommandContext& ctx) {
  Edit<Hash> hash(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t removed = 0;
  if (hash) {
    for (const std::string_view field : ctx.args.subspan(2)) removed += hash->Remove(field);
  }
  ctx.reply.Integer(removed);
}

void HLen(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(hash ? static_cast<int64_t>(hash->size()) : 0);
}

void HStrLen(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  const auto value = hash ? hash->Get(ctx.arg(2)) : std::nullopt;
  ctx.reply.Integer(value ? static_cast<int64_t>(value->size()) : 0);
}

void HExists(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(hash && hash->Contains(ctx.arg(2)));
}

void HGetAll(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.MapHeader(hash ? hash->size() : 0);
  if (!hash) return;
  hash->ForEach([&](std::string_view field, std::string_view value) {
    ctx.reply.Bulk(field);
    ctx.reply.Bulk(value);
  });
}

void HKeys(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.ArrayHeader(hash ? hash->size() : 0);
  if (!hash) return;
  hash->ForEach([&](std::string_view field, std::string_view) { ctx.reply.Bulk(field); });
}

void HVals(CommandContext& ctx) {
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.ArrayHeader(hash ? hash->size() : 0);
  if (!hash) return;
  hash->ForEach([&](std::string_view, std::string_view value) { ctx.reply.Bulk(value); });
}

void HIncrBy(CommandContext& ctx) {
  const auto increment = ReadInteger(ctx, 3);
  if (!increment) return;
  Edit<Hash> hash(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t value = 0;
  if (const auto present = hash->Get(ctx.arg(2))) {
    const auto number = ParseInt64(*present);
    if (!number) return ctx.reply.Error("ERR hash value is not an integer");
    value = *number;
  }
  if (__builtin_add_overflow(value, *increment, &value)) {
    return ctx.reply.Error("ERR increment or decrement would overflow");
  }
  hash->Set(ctx.arg(2), std::to_string(value));
  hash.MarkChanged();
  ctx.reply.Integer(value);
}

void HIncrByFloat(CommandContext& ctx) {
  const auto increment = ParseLongDouble(ctx.arg(3));
  if (!increment) return ctx.reply.Error(kNotAFloat);
  if (!std::isfinite(*increment)) return ctx.reply.Error("ERR value is NaN or Infinity");
  Edit<Hash> hash(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  long double value = 0;
  if (const auto present = hash->Get(ctx.arg(2))) {
    const auto number = ParseLongDouble(*present);
    if (!number) return ctx.reply.Error("ERR hash value is not a float");
    value = *number;
  }
  value += *increment;
  if (!std::isfinite(value)) {
    return ctx.reply.Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = FormatLongDouble(value);
  hash->Set(ctx.arg(2), text);
  hash.MarkChanged();
  ctx.reply.Bulk(text);
}

void WriteRandomFields(const Hash& hash, int64_t count, bool with_values, ReplyWriter& reply) {
  const auto write = [&](std::string_view field, std::string_view value) {
    // RESP3 pairs field and value, RESP2 lays them flat.
    if (with_values && reply.version() >= 3) reply.ArrayHeader(2);
    reply.Bulk(field);
    if (with_values) reply.Bulk(value);
  };
  const size_t elements = with_values && reply.version() < 3 ? 2 : 1;
  if (count < 0) {
    const auto repeat = static_cast<size_t>(-count);
    reply.ArrayHeader(repeat * elements);
    for (size_t i = 0; i < repeat; ++i) hash.VisitRandom(ThreadRandom, write);
    return;
  }
  const size_t wanted = std::min(static_cast<size_t>(count), hash.size());
  reply.ArrayHeader(wanted * elements);
  hash.VisitSample(wanted, ThreadRandom, write);
}

void HRandField(CommandContext& ctx) {
  const bool counted = ctx.args.size() > 2;
  const bool with_values = ctx.args.size() > 3;
  int64_t count = 0;
  if (counted) {
    const auto given = ReadSignedCount(ctx, 2);
    if (!given) return;
    count = *given;
    if (ctx.args.size() > 4 || (with_values && !IsWord(ctx.arg(3), "WITHVALUES"))) {
      return ctx.reply.Error(kSyntaxError);
    }
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 2;
    if (with_values && (count < -kMost || count > kMost)) {
      return ctx.reply.Error(kValueOutOfRange);
    }
  }
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!hash) return counted ? ctx.reply.ArrayHeader(0) : ctx.reply.Null();
  if (counted) return WriteRandomFields(*hash, count, with_values, ctx.reply);
  hash->VisitRandom(ThreadRandom,
                    [&](std::string_view field, std::string_view) { ctx.reply.Bulk(field); });
}

void HScan(CommandContext& ctx) {
  const auto cursor = ReadCursor(ctx, 2);
  if (!cursor) return;
  const View<Hash> hash = ctx.keys.Read<Hash>(ctx.db, ctx.arg(1));
  if (hash.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!hash) return WriteScanReply(ctx.reply, 0, 0, {});
  ScanOptions options;
  if (!ReadScanOptions(ctx, 3, true, &options)) return;
  std::string elements;
  ReplyWriter writer(&elements, ctx.reply.version());
  size_t count = 0;
  const uint64_t next =
      hash->Scan(*cursor, options.count, [&](std::string_view field, std::string_view value) {
        if (!options.Matches(field)) return;
        writer.Bulk(field);
        if (!options.no_values) writer.Bulk(value);
        count += options.no_values ? 1 : 2;
      });
  WriteScanReply(ctx.reply, next, count, elements);
}

constexpr KeySpec kOneKey{1, 1, 1};
constexpr uint32_t kReadFast = kCatRead | kCatHash | kCatFast;
constexpr uint32_t kReadSlow = kCatRead | kCatHash | kCatSlow;
constexpr uint32_t kWriteFast = kCatWrite | kCatHash | kCatFast;

constexpr Command kCommands[] = {
    {"hdel", -3, kWrite | kFast, kOneKey, kWriteFast, &HDel, "hash", "2.0.0", "Removes fields."},
    {"hexists", 3, kReadOnly | kFast, kOneKey, kReadFast, &HExists, "hash", "2.0.0",
     "Says whether a field exists."},
    {"hget", 3, kReadOnly | kFast, kOneKey, kReadFast, &HGet, "hash", "2.0.0",
     "Returns the value of a field."},
    {"hgetall", 2, kReadOnly, kOneKey, kReadSlow, &HGetAll, "hash", "2.0.0",
     "Returns all fields and values."},
    {"hincrby", 4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &HIncrBy, "hash", "2.0.0",
     "Adds an integer to the value of a field."},
    {"hincrbyfloat", 4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &HIncrByFloat, "hash",
     "2.6.0", "Adds a floating-point number to the value of a field."},
    {"hkeys", 2, kReadOnly, kOneKey, kReadSlow, &HKeys, "hash", "2.0.0", "Returns all fields."},
    {"hlen", 2, kReadOnly | kFast, kOneKey, kReadFast, &HLen, "hash", "2.0.0",
     "Returns the number of fields."},
    {"hmget", -3, kReadOnly | kFast, kOneKey, kReadFast, &HMGet, "hash", "2.0.0",
     "Returns the values of several fields."},
    {"hmset", -4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &HMSet, "hash", "2.0.0",
     "Sets several fields; HSET does the same."},
    {"hrandfield", -2, kReadOnly, kOneKey, kReadSlow, &HRandField, "hash", "6.2.0",
     "Returns fields chosen at random."},
    {"hscan", -3, kReadOnly, kOneKey, kReadSlow, &HScan, "hash", "2.8.0",
     "Iterates over fields and values."},
    {"hset", -4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &HSet, "hash", "2.0.0",
     "Sets fields to values."},
    {"hsetnx", 4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &HSetNx, "hash", "2.0.0",
     "Sets a field if it does not exist."},
    {"hstrlen", 3, kReadOnly | kFast, kOneKey, kReadFast, &HStrLen, "hash", "3.2.0",
     "Returns the length of a field's value."},
    {"hvals", 2, kReadOnly, kOneKey, kReadSlow, &HVals, "hash", "2.0.0", "Returns all values."},
};

}  // namespace

std::span<const Command> HashCommands() { return kCommands; }

}  // namespace chorale
