// Expiry of keys: https://redis.io/docs/latest/commands/?group=generic

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "broker/command.h"
#include "broker/command_table.h"
#include "broker/commands/arguments.h"

namespace chorale {
namespace {

constexpr int64_t kKeyAbsent = -2;
constexpr int64_t kNoExpiry = -1;

enum class From { kNow, kEpoch };
enum class Unit { kSeconds, kMilliseconds };

// On which present expiry the new one depends.
struct ExpiryConditions {
  bool only_without = false;  // NX
  bool only_with = false;     // XX
  bool only_later = false;    // GT
  bool only_sooner = false;   // LT

  // No expiry counts as one that is infinitely late.
  bool Allow(int64_t present, int64_t wanted) const {
    const bool expires = present != Database::kNever;
    if (only_without && expires) return false;
    if (only_with && !expires) return false;
    if (only_later && (!expires || wanted <= present)) return false;
    return !(only_sooner && expires && wanted >= present);
  }
};

bool ReadConditions(CommandContext& ctx, ExpiryConditions* conditions) {
  for (const std::string_view word : ctx.args.subspan(3)) {
    if (IsWord(word, "NX")) {
      conditions->only_without = true;
    } else if (IsWord(word, "XX")) {
      conditions->only_with = true;
    } else if (IsWord(word, "GT")) {
      conditions->only_later = true;
    } else if (IsWord(word, "LT")) {
      conditions->only_sooner = true;
    } else {
      ctx.reply.Error(fmt::format("ERR Unsupported option {}", word));
      return false;
    }
  }
  const auto& [without, with, later, sooner] = *conditions;
  if (without && (with || later || sooner)) {
    ctx.reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (later && sooner) {
    ctx.reply.Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// The Unix time in milliseconds that the second argument means; times in the past are allowed.
std::optional<int64_t> ReadTime(CommandContext& ctx, From from, Unit unit) {
  auto time = ReadInteger(ctx, 2);
  if (!time) return std::nullopt;
  const bool overflows =
      (unit == Unit::kSeconds && __builtin_mul_overflow(*time, 1000, &*time)) ||
      (from == From::kNow && __builtin_add_overflow(*time, ctx.now_ms(), &*time));
  if (!overflows) return time;
  ctx.reply.Error(fmt::format("ERR invalid expire time in '{}' command", FullName(ctx.command)));
  return std::nullopt;
}

template <From kFrom, Unit kUnit>
void Expire(CommandContext& ctx) {
  ExpiryConditions conditions;
  if (!ReadConditions(ctx, &conditions)) return;
  const auto at_ms = ReadTime(ctx, kFrom, kUnit);
  if (!at_ms) return;
  Entry* entry = ctx.keys.Find(ctx.db, ctx.arg(1));
  if (entry == nullptr || !conditions.Allow(ctx.keys.Expiry(ctx.db, entry), *at_ms)) {
    ctx.reply.Integer(0);
    return;
  }
  ctx.keys.SetExpiry(ctx.db, entry, *at_ms);
  ctx.reply.Integer(1);
}

template <From kFrom, Unit kUnit>
void TimeToLive(CommandContext& ctx) {
  const Entry* entry = ctx.keys.Peek(ctx.db, ctx.arg(1));
  if (entry == nullptr) {
    ctx.reply.Integer(kKeyAbsent);
    return;
  }
  int64_t time = ctx.keys.Expiry(ctx.db, entry);
  if (time == Database::kNever) {
    ctx.reply.Integer(kNoExpiry);
    return;
  }
  if (kFrom == From::kNow) time -= ctx.now_ms();
  ctx.reply.Integer(kUnit == Unit::kSeconds ? (time + 500) / 1000 : time);
}

void Persist(CommandContext& ctx) {
  Entry* entry = ctx.keys.Find(ctx.db, ctx.arg(1));
  ctx.reply.Integer(entry != nullptr && ctx.keys.ClearExpiry(ctx.db, entry));
}

constexpr uint32_t kReads = kKeyspace | kCatRead | kCatFast;
constexpr uint32_t kWrites = kKeyspace | kCatWrite | kCatFast;

constexpr Command kCommands[] = {
    {"expire", -3, kWrite | kFast, kFirstKey, kWrites, &Expire<From::kNow, Unit::kSeconds>,
     "generic", "1.0.0", "Lets a key expire after some seconds."},
    {"expireat", -3, kWrite | kFast, kFirstKey, kWrites, &Expire<From::kEpoch, Unit::kSeconds>,
     "generic", "1.2.0", "Lets a key expire at a Unix time in seconds."},
    {"expiretime", 2, kReadOnly | kFast, kFirstKey, kReads,
     &TimeToLive<From::kEpoch, Unit::kSeconds>, "generic", "7.0.0",
     "Returns the Unix time in seconds at which a key expires."},
    {"persist", 2, kWrite | kFast, kFirstKey, kWrites, &Persist, "generic", "2.2.0",
     "Removes the expiry of a key."},
    {"pexpire", -3, kWrite | kFast, kFirstKey, kWrites, &Expire<From::kNow, Unit::kMilliseconds>,
     "generic", "2.6.0", "Lets a key expire after some milliseconds."},
    {"pexpireat", -3, kWrite | kFast, kFirstKey, kWrites,
     &Expire<From::kEpoch, Unit::kMilliseconds>, "generic", "2.6.0",
     "Lets a key expire at a Unix time in milliseconds."},
    {"pexpiretime", 2, kReadOnly | kFast, kFirstKey, kReads,
     &TimeToLive<From::kEpoch, Unit::kMilliseconds>, "generic", "7.0.0",
     "Returns the Unix time in milliseconds at which a key expires."},
    {"pttl", 2, kReadOnly | kFast, kFirstKey, kReads, &TimeToLive<From::kNow, Unit::kMilliseconds>,
     "generic", "2.6.0", "Returns the milliseconds until a key expires."},
    {"ttl", 2, kReadOnly | kFast, kFirstKey, kReads, &TimeToLive<From::kNow, Unit::kSeconds>,
     "generic", "1.0.0", "Returns the seconds until a key expires."},
};

}  // namespace

std::span<const Command> ExpiryCommands() { return kCommands; }

}  // namespace chorale
