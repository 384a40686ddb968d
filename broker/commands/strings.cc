// Strings: https://redis.io/docs/latest/commands/?group=string

#include "broker/commands/strings.h"

#include <algorithm>
#include <string>

#include "broker/dispatch.h"
#include "broker/server.h"

namespace chorale {

GetOutcome WriteValue(CommandContext& ctx, std::string_view key) {
  const Entry* entry = ctx.keys.Lookup(ctx.db, key);
  if (entry == nullptr) {
    ctx.reply.Null();
    return GetOutcome::kAbsent;
  }
  if (entry->type() != ValueType::kString) {
    ctx.reply.Error(kWrongType);
    return GetOutcome::kWrongType;
  }
  IntegerText scratch;
  ctx.reply.Bulk(entry->StringValue(scratch));
  return GetOutcome::kValue;
}

bool LookAtString(CommandContext& ctx, std::string_view key, StringLook* look) {
  look->entry = ctx.keys.Lookup(ctx.db, key);
  if (look->entry == nullptr) return true;
  if (look->entry->type() != ValueType::kString) {
    ctx.reply.Error(kWrongType);
    return false;
  }
  look->bytes = look->entry->StringValue(look->scratch);
  return true;
}

bool SizeAllowed(CommandContext& ctx, uint64_t size) {
  if (size <= static_cast<uint64_t>(ctx.server.config().proto_max_bulk_len.load())) return true;
  ctx.reply.Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return false;
}

IndexRange ClampStringRange(int64_t first, int64_t last, uint64_t size) {
  if (size == 0) return {};
  const auto length = static_cast<int64_t>(size);
  if (first < 0) first = std::max<int64_t>(first + length, 0);
  if (last < 0) last = std::max<int64_t>(last + length, 0);
  last = std::min(last, length - 1);
  if (first > last) return {};
  return {static_cast<size_t>(first), static_cast<size_t>(last) + 1};
}

namespace {

void Get(CommandContext& ctx) { WriteValue(ctx, ctx.arg(1)); }

void GetSet(CommandContext& ctx) {
  if (WriteValue(ctx, ctx.arg(1)) == GetOutcome::kWrongType) return;
  ctx.keys.SetString(ctx.db, ctx.arg(1), ctx.arg(2));
}

void GetDel(CommandContext& ctx) {
  if (WriteValue(ctx, ctx.arg(1)) == GetOutcome::kValue) ctx.keys.Delete(ctx.db, ctx.arg(1));
}

void MGet(CommandContext& ctx) {
  const auto keys = ctx.args.subspan(1);
  ctx.reply.ArrayHeader(keys.size());
  for (const std::string_view key : keys) {
    const Entry* entry = ctx.keys.Lookup(ctx.db, key);
    if (entry == nullptr || entry->type() != ValueType::kString) {
      ctx.reply.Null();
    } else {
      IntegerText scratch;
      ctx.reply.Bulk(entry->StringValue(scratch));
    }
  }
}

void SetPairs(CommandContext& ctx) {
  for (size_t i = 1; i + 1 < ctx.args.size(); i += 2) {
    ctx.keys.SetString(ctx.db, ctx.arg(i), ctx.arg(i + 1));
  }
}

void MSet(CommandContext& ctx) {
  if (ctx.args.size() % 2 == 0) {
    WriteWrongArity(ctx.command, ctx.reply);
    return;
  }
  SetPairs(ctx);
  ctx.reply.Ok();
}

void MSetNx(CommandContext& ctx) {
  if (ctx.args.size() % 2 == 0) {
    WriteWrongArity(ctx.command, ctx.reply);
    return;
  }
  for (size_t i = 1; i < ctx.args.size(); i += 2) {
    if (ctx.keys.Exists(ctx.db, ctx.arg(i))) {
      ctx.reply.Integer(0);
      return;
    }
  }
  SetPairs(ctx);
  ctx.reply.Integer(1);
}

void Append(CommandContext& ctx) {
  const std::string_view key = ctx.arg(1);
  const std::string_view tail = ctx.arg(2);
  const Entry* entry = ctx.keys.Find(ctx.db, key);
  if (entry == nullptr) {
    ctx.keys.SetString(ctx.db, key, tail);
    ctx.reply.Integer(static_cast<int64_t>(tail.size()));
    return;
  }
  if (entry->type() != ValueType::kString) {
    ctx.reply.Error(kWrongType);
    return;
  }
  const size_t end = entry->StringSize();
  if (!SizeAllowed(ctx, end + tail.size())) return;
  std::string& bytes = ctx.keys.EditString(ctx.db, key, end + tail.size());
  bytes.replace(end, tail.size(), tail);
  ctx.reply.Integer(static_cast<int64_t>(bytes.size()));
}

void StrLen(CommandContext& ctx) {
  StringLook look;
  if (LookAtString(ctx, ctx.arg(1), &look)) {
    ctx.reply.Integer(static_cast<int64_t>(look.bytes.size()));
  }
}

void GetRange(CommandContext& ctx) {
  const auto first = ReadInteger(ctx, 2);
  if (!first) return;
  const auto last = ReadInteger(ctx, 3);
  if (!last) return;
  StringLook look;
  if (!LookAtString(ctx, ctx.arg(1), &look)) return;
  const IndexRange range =
      IsReversed(*first, *last) ? IndexRange{} : ClampStringRange(*first, *last, look.bytes.size());
  ctx.reply.Bulk(look.bytes.substr(range.begin, range.end - range.begin));
}

void SetRange(CommandContext& ctx) {
  const auto offset = ReadInteger(ctx, 2);
  if (!offset) return;
  if (*offset < 0) {
    ctx.reply.Error("ERR offset is out of range");
    return;
  }
  const std::string_view key = ctx.arg(1);
  const std::string_view patch = ctx.arg(3);
  const Entry* entry = ctx.keys.Find(ctx.db, key);
  if (entry != nullptr && entry->type() != ValueType::kString) {
    ctx.reply.Error(kWrongType);
    return;
  }
  if (patch.empty()) {
    ctx.reply.Integer(entry == nullptr ? 0 : static_cast<int64_t>(entry->StringSize()));
    return;
  }
  const auto begin = static_cast<size_t>(*offset);
  if (!SizeAllowed(ctx, begin + patch.size())) return;
  std::string& bytes = ctx.keys.EditString(ctx.db, key, begin + patch.size());
  bytes.replace(begin, patch.size(), patch);
  ctx.reply.Integer(static_cast<int64_t>(bytes.size()));
}

constexpr KeySpec kPairs{1, -1, 2};
constexpr uint32_t kReads = kCatRead | kCatString;
constexpr uint32_t kWrites = kCatWrite | kCatString;

constexpr Command kCommands[] = {
    {"append", 3, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &Append, "string",
     "2.0.0", "Adds bytes to the end of a string; makes the key if it does not exist."},
    {"decr", 2, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &Decr, "string", "1.0.0",
     "Takes one from the number that a key holds; a missing key counts as 0."},
    {"decrby", 3, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &DecrBy, "string",
     "1.0.0", "Takes an integer from the number that a key holds; a missing key counts as 0."},
    {"get", 2, kReadOnly | kFast, kFirstKey, kReads | kCatFast, &Get, "string", "1.0.0",
     "Returns the value of a string key."},
    {"getdel", 2, kWrite | kFast, kFirstKey, kWrites | kCatFast, &GetDel, "string", "6.2.0",
     "Returns the value of a string key and deletes the key."},
    {"getex", -2, kWrite | kFast, kFirstKey, kWrites | kCatFast, &GetEx, "string", "6.2.0",
     "Returns the value of a string key and sets or removes its expiry."},
    {"getrange", 4, kReadOnly, kFirstKey, kReads | kCatSlow, &GetRange, "string", "2.4.0",
     "Returns the part of a string between two offsets."},
    {"getset", 3, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &GetSet, "string",
     "1.0.0", "Sets a key to a string and returns what it held before."},
    {"incr", 2, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &Incr, "string", "1.0.0",
     "Adds one to the number that a key holds; a missing key counts as 0."},
    {"incrby", 3, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &IncrBy, "string",
     "1.0.0", "Adds an integer to the number that a key holds; a missing key counts as 0."},
    {"incrbyfloat", 3, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &IncrByFloat,
     "string", "2.6.0",
     "Adds a floating-point number to the one that a key holds; a missing key counts as 0."},
    {"lcs", -3, kReadOnly, kFirstTwoKeys, kReads | kCatSlow, &Lcs, "string", "7.0.0",
     "Finds the longest subsequence that two strings have in common."},
    {"mget", -2, kReadOnly | kFast, kKeysToEnd, kReads | kCatFast, &MGet, "string", "1.0.0",
     "Returns the string values of several keys at once."},
    {"mset", -3, kWrite | kDenyOom, kPairs, kWrites | kCatSlow, &MSet, "string", "1.0.1",
     "Sets several keys to strings at once."},
    {"msetnx", -3, kWrite | kDenyOom, kPairs, kWrites | kCatSlow, &MSetNx, "string", "1.0.1",
     "Sets several keys to strings at once, if none of them exists."},
    {"psetex", 4, kWrite | kDenyOom, kFirstKey, kWrites | kCatSlow, &PSetEx, "string", "2.6.0",
     "Sets a key to a string that expires after some milliseconds."},
    {"set", -3, kWrite | kDenyOom, kFirstKey, kWrites | kCatSlow, &SetCommand, "string", "1.0.0",
     "Sets a key to a string, with options for expiry and conditions."},
    {"setex", 4, kWrite | kDenyOom, kFirstKey, kWrites | kCatSlow, &SetEx, "string", "2.0.0",
     "Sets a key to a string that expires after some seconds."},
    {"setnx", 3, kWrite | kDenyOom | kFast, kFirstKey, kWrites | kCatFast, &SetNx, "string",
     "1.0.0", "Sets a key to a string if the key does not exist."},
    {"setrange", 4, kWrite | kDenyOom, kFirstKey, kWrites | kCatSlow, &SetRange, "string", "2.2.0",
     "Overwrites the part of a string that begins at an offset; zero bytes fill a gap."},
    {"strlen", 2, kReadOnly | kFast, kFirstKey, kReads | kCatFast, &StrLen, "string", "2.2.0",
     "Returns how many bytes a string has."},
    {"substr", 4, kReadOnly, kFirstKey, kReads | kCatSlow, &GetRange, "string", "1.0.0",
     "Returns the part of a string between two offsets; an older name of GETRANGE."},
};

}  // namespace

std::span<const Command> StringCommands() { return kCommands; }

}  // namespace chorale
