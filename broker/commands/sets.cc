// Sets: https://redis.io/docs/latest/commands/?group=set

#include "broker/commands/sets.h"

#include <algorithm>
#include <string>

#include "broker/commands/arguments.h"
#include "broker/random.h"
#include "storage/set.h"

namespace chorale {
namespace sets {
namespace {

void SAdd(CommandContext& ctx) {
  Edit<Set> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  const Arguments members = ctx.args.subspan(2);
  if (set->size() == 0) *set = Set(members.size());
  int64_t added = 0;
  for (const std::string_view member : members) added += set->Add(member);
  ctx.reply.Integer(added);
}

void SRem(CommandContext& ctx) {
  Edit<Set> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t removed = 0;
  if (set) {
    for (const std::string_view member : ctx.args.subspan(2)) removed += set->Remove(member);
  }
  ctx.reply.Integer(removed);
}

void SMove(CommandContext& ctx) {
  const std::string_view from = ctx.arg(1);
  const std::string_view to = ctx.arg(2);
  Edit<Set> source(ctx.keys, ctx.db, from, IfAbsent::kLeave);
  if (source.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!source) return ctx.reply.Integer(0);
  if (from == to) return ctx.reply.Integer(source->Contains(ctx.arg(3)));
  Edit<Set> target(ctx.keys, ctx.db, to, IfAbsent::kCreate);
  if (target.wrong_type()) return ctx.reply.Error(kWrongType);
  const bool moved = source->Remove(ctx.arg(3));
  if (moved) target->Add(ctx.arg(3));
  ctx.reply.Integer(moved);
}

void SIsMember(CommandContext& ctx) {
  const View<Set> set = ctx.keys.Read<Set>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(set && set->Contains(ctx.arg(2)));
}

void SMIsMember(CommandContext& ctx) {
  const View<Set> set = ctx.keys.Read<Set>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.ArrayHeader(ctx.args.size() - 2);
  for (const std::string_view member : ctx.args.subspan(2)) {
    ctx.reply.Integer(set && set->Contains(member));
  }
}

void SCard(CommandContext& ctx) {
  const View<Set> set = ctx.keys.Read<Set>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(set ? static_cast<int64_t>(set->size()) : 0);
}

void SMembers(CommandContext& ctx) {
  const View<Set> set = ctx.keys.Read<Set>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.SetHeader(set ? set->size() : 0);
  if (set) set->ForEach([&](std::string_view member) { ctx.reply.Bulk(member); });
}

void SPop(CommandContext& ctx) {
  if (ctx.args.size() > 3) return ctx.reply.Error(kSyntaxError);
  const bool counted = ctx.args.size() == 3;
  size_t count = 1;
  if (counted) {
    const auto given = ReadAtLeast(ctx, 2, 0, kMustBePositive);
    if (!given) return;
    count = static_cast<size_t>(*given);
  }
  Edit<Set> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return counted ? ctx.reply.SetHeader(0) : ctx.reply.Null();
  if (counted) ctx.reply.SetHeader(std::min(count, set->size()));
  set->PopRandom(count, ThreadRandom, [&](std::string_view member) { ctx.reply.Bulk(member); });
}

void SRandMember(CommandContext& ctx) {
  if (ctx.args.size() > 3) return ctx.reply.Error(kSyntaxError);
  const bool counted = ctx.args.size() == 3;
  int64_t count = 1;
  if (counted) {
    const auto given = ReadSignedCount(ctx, 2);
    if (!given) return;
    count = *given;
  }
  const View<Set> set = ctx.keys.Read<Set>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return counted ? ctx.reply.ArrayHeader(0) : ctx.reply.Null();
  const auto write = [&](std::string_view member) { ctx.reply.Bulk(member); };
  if (!counted) return set->VisitRandom(ThreadRandom, write);
  if (count < 0) {
    ctx.reply.ArrayHeader(static_cast<size_t>(-count));
    for (; count < 0; ++count) set->VisitRandom(ThreadRandom, write);
    return;
  }
  const size_t wanted = std::min(static_cast<size_t>(count), set->size());
  ctx.reply.ArrayHeader(wanted);
  set->VisitSample(wanted, ThreadRandom, write);
}

void SScan(CommandContext& ctx) {
  const auto cursor = ReadCursor(ctx, 2);
  if (!cursor) return;
  const View<Set> set = ctx.keys.Read<Set>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return WriteScanReply(ctx.reply, 0, 0, {});
  ScanOptions options;
  if (!ReadScanOptions(ctx, 3, false, &options)) return;
  std::string elements;
  ReplyWriter writer(&elements, ctx.reply.version());
  size_t count = 0;
  const uint64_t next = set->Scan(*cursor, options.count, [&](std::string_view member) {
    if (!options.Matches(member)) return;
    writer.Bulk(member);
    ++count;
  });
  WriteScanReply(ctx.reply, next, count, elements);
}

constexpr KeySpec kOneKey{1, 1, 1};
constexpr KeySpec kAllKeys{1, -1, 1};
constexpr uint32_t kReadFast = kCatRead | kCatSet | kCatFast;
constexpr uint32_t kReadSlow = kCatRead | kCatSet | kCatSlow;
constexpr uint32_t kWriteFast = kCatWrite | kCatSet | kCatFast;
constexpr uint32_t kWriteSlow = kCatWrite | kCatSet | kCatSlow;

constexpr Command kCommands[] = {
    {"sadd", -3, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &SAdd, "set", "1.0.0",
     "Adds members."},
    {"scard", 2, kReadOnly | kFast, kOneKey, kReadFast, &SCard, "set", "1.0.0",
     "Returns the number of members."},
    {"sdiff", -2, kReadOnly, kAllKeys, kReadSlow, &SDiff, "set", "1.0.0",
     "Returns the members of the first set that are in no other."},
    {"sdiffstore", -3, kWrite | kDenyOom, kAllKeys, kWriteSlow, &SDiffStore, "set", "1.0.0",
     "Stores the members of the first set that are in no other."},
    {"sinter", -2, kReadOnly, kAllKeys, kReadSlow, &SInter, "set", "1.0.0",
     "Returns the members that all sets have."},
    {"sintercard",
     -3,
     kReadOnly | kMovableKeys,
     {.count_at = 1},
     kReadSlow,
     &SInterCard,
     "set",
     "7.0.0",
     "Counts the members that all sets have."},
    {"sinterstore", -3, kWrite | kDenyOom, kAllKeys, kWriteSlow, &SInterStore, "set", "1.0.0",
     "Stores the members that all sets have."},
    {"sismember", 3, kReadOnly | kFast, kOneKey, kReadFast, &SIsMember, "set", "1.0.0",
     "Says whether a member is in the set."},
    {"smembers", 2, kReadOnly, kOneKey, kReadSlow, &SMembers, "set", "1.0.0",
     "Returns all members."},
    {"smismember", -3, kReadOnly | kFast, kOneKey, kReadFast, &SMIsMember, "set", "6.2.0",
     "Says of several members whether they are in the set."},
    {"smove",
     4,
     kWrite | kFast,
     {1, 2, 1},
     kWriteFast,
     &SMove,
     "set",
     "1.0.0",
     "Moves a member from one set to another."},
    {"spop", -2, kWrite | kFast, kOneKey, kWriteFast, &SPop, "set", "1.0.0",
     "Removes members chosen at random and returns them."},
    {"srandmember", -2, kReadOnly, kOneKey, kReadSlow, &SRandMember, "set", "1.0.0",
     "Returns members chosen at random."},
    {"srem", -3, kWrite | kFast, kOneKey, kWriteFast, &SRem, "set", "1.0.0", "Removes members."},
    {"sscan", -3, kReadOnly, kOneKey, kReadSlow, &SScan, "set", "2.8.0", "Iterates over members."},
    {"sunion", -2, kReadOnly, kAllKeys, kReadSlow, &SUnion, "set", "1.0.0",
     "Returns the members that any set has."},
    {"sunionstore", -3, kWrite | kDenyOom, kAllKeys, kWriteSlow, &SUnionStore, "set", "1.0.0",
     "Stores the members that any set has."},
};

}  // namespace
}  // namespace sets

std::span<const Command> SetCommands() { return sets::kCommands; }

}  // namespace chorale
