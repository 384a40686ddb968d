// Sorted sets: https://redis.io/docs/latest/commands/?group=sorted-set

#include "broker/commands/sorted_sets.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/container/inlined_vector.h"
#include "broker/commands/arguments.h"
#include "broker/dispatch.h"
#include "broker/random.h"
#include "broker/server.h"
#include "protocol/numbers.h"

namespace chorale {
namespace sorted_sets {

void WriteMembersHeader(ReplyWriter& reply, size_t members, bool with_scores) {
  reply.ArrayHeader(with_scores && reply.version() < 3 ? 2 * members : members);
}

void WriteMember(ReplyWriter& reply, std::string_view member, double score, bool with_scores) {
  if (with_scores && reply.version() >= 3) reply.ArrayHeader(2);
  reply.Bulk(member);
  if (with_scores) reply.Double(score);
}

namespace {

struct AddFlags {
  SortedSet::AddOptions options;
  bool count_changes = false;  // CH
  size_t first_pair = 2;
};

// Reads ZADD's options, which end where no option is.
AddFlags ReadAddFlags(Arguments args, bool increment) {
  AddFlags flags;
  flags.options.increment = increment;
  for (; flags.first_pair < args.size(); ++flags.first_pair) {
    const std::string_view word = args[flags.first_pair];
    if (IsWord(word, "NX")) {
      flags.options.only_new = true;
    } else if (IsWord(word, "XX")) {
      flags.options.only_existing = true;
    } else if (IsWord(word, "GT")) {
      flags.options.only_greater = true;
    } else if (IsWord(word, "LT")) {
      flags.options.only_less = true;
    } else if (IsWord(word, "INCR")) {
      flags.options.increment = true;
    } else if (IsWord(word, "CH")) {
      flags.count_changes = true;
    } else {
      break;
    }
  }
  return flags;
}

// Why the options cannot go together, or an empty text.
std::string_view ConflictIn(const AddFlags& flags, size_t pairs) {
  const SortedSet::AddOptions& options = flags.options;
  if (options.only_new && options.only_existing) {
    return "ERR XX and NX options at the same time are not compatible";
  }
  if (options.only_new + options.only_greater + options.only_less > 1) {
    return "ERR GT, LT, and/or NX options at the same time are not compatible";
  }
  if (options.increment && pairs > 1) {
    return "ERR INCR option supports a single increment-element pair";
  }
  return {};
}

using Scores = absl::InlinedVector<double, 8>;

bool ReadScores(CommandContext& ctx, size_t first_pair, Scores* scores) {
  for (size_t i = first_pair; i < ctx.args.size(); i += 2) {
    const auto score = ReadDouble(ctx, i);
    if (!score) return false;
    scores->push_back(*score);
  }
  return true;
}

void AddMembers(CommandContext& ctx, const AddFlags& flags, const Scores& scores) {
  const auto if_absent = flags.options.only_existing ? IfAbsent::kLeave : IfAbsent::kCreate;
  Edit<SortedSet> set(ctx.keys, ctx.db, ctx.arg(1), if_absent);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t added = 0;
  int64_t updated = 0;
  std::optional<double> result;  // Of INCR.
  for (size_t i = 0; set && i < scores.size(); ++i) {
    const std::string_view member = ctx.arg(flags.first_pair + 2 * i + 1);
    const auto [outcome, score] = set->Add(member, scores[i], flags.options);
    if (outcome == SortedSet::AddOutcome::kNotANumber) {
      return ctx.reply.Error("ERR resulting score is not a number (NaN)");
    }
    ctx.server.leases().Confirm(ctx.db, ctx.arg(1), member);
    added += outcome == SortedSet::AddOutcome::kAdded;
    updated += outcome == SortedSet::AddOutcome::kUpdated;
    if (outcome != SortedSet::AddOutcome::kSkipped) result = score;
    if (updated > 0) set.MarkChanged();
  }
  if (!flags.options.increment) {
    return ctx.reply.Integer(flags.count_changes ? added + updated : added);
  }
  result ? ctx.reply.Double(*result) : ctx.reply.Null();
}

void Add(CommandContext& ctx, bool increment) {
  const AddFlags flags = ReadAddFlags(ctx.args, increment);
  const size_t words = ctx.args.size() - flags.first_pair;
  if (words == 0 || words % 2 != 0) return ctx.reply.Error(kSyntaxError);
  const std::string_view conflict = ConflictIn(flags, words / 2);
  if (!conflict.empty()) return ctx.reply.Error(conflict);
  Scores scores;
  if (!ReadScores(ctx, flags.first_pair, &scores)) return;
  AddMembers(ctx, flags, scores);
}

void ZAdd(CommandContext& ctx) { Add(ctx, false); }
void ZIncrBy(CommandContext& ctx) { Add(ctx, true); }

void ZRem(CommandContext& ctx) {
  Edit<SortedSet> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  int64_t removed = 0;
  if (set) {
    for (const std::string_view member : ctx.args.subspan(2)) removed += set->Remove(member);
  }
  ctx.reply.Integer(removed);
}

void ZCard(CommandContext& ctx) {
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(set ? static_cast<int64_t>(set->size()) : 0);
}

void WriteScore(const View<SortedSet>& set, std::string_view member, ReplyWriter& reply) {
  const auto score = set ? set->Score(member) : std::nullopt;
  score ? reply.Double(*score) : reply.Null();
}

void ZScore(CommandContext& ctx) {
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  WriteScore(set, ctx.arg(2), ctx.reply);
}

void ZMScore(CommandContext& ctx) {
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.ArrayHeader(ctx.args.size() - 2);
  for (const std::string_view member : ctx.args.subspan(2)) WriteScore(set, member, ctx.reply);
}

void WriteRank(CommandContext& ctx, bool reverse) {
  if (ctx.args.size() > 4) return WriteWrongArity(ctx.command, ctx.reply);
  const bool with_score = ctx.args.size() == 4;
  if (with_score && !IsWord(ctx.arg(3), "WITHSCORE")) return ctx.reply.Error(kSyntaxError);
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  const auto rank = set ? set->Rank(ctx.arg(2)) : std::nullopt;
  if (!rank) return with_score ? ctx.reply.NullArray() : ctx.reply.Null();
  const size_t shown = reverse ? set->size() - 1 - *rank : *rank;
  if (with_score) ctx.reply.ArrayHeader(2);
  ctx.reply.Integer(static_cast<int64_t>(shown));
  if (with_score) ctx.reply.Double(*set->Score(ctx.arg(2)));
}

void ZRank(CommandContext& ctx) { WriteRank(ctx, false); }
void ZRevRank(CommandContext& ctx) { WriteRank(ctx, true); }

void WriteRandomMembers(const SortedSet& set, int64_t count, bool with_scores, ReplyWriter& reply) {
  const auto write = [&](std::string_view member, double score) {
    WriteMember(reply, member, score, with_scores);
  };
  if (count < 0) {
    WriteMembersHeader(reply, static_cast<size_t>(-count), with_scores);
    for (; count < 0; ++count) set.VisitRandom(ThreadRandom, write);
    return;
  }
  const size_t wanted = std::min(static_cast<size_t>(count), set.size());
  WriteMembersHeader(reply, wanted, with_scores);
  set.VisitSample(wanted, ThreadRandom, write);
}

void ZRandMember(CommandContext& ctx) {
  const bool counted = ctx.args.size() > 2;
  const bool with_scores = ctx.args.size() > 3;
  int64_t count = 0;
  if (counted) {
    const auto given = ReadSignedCount(ctx, 2);
    if (!given) return;
    count = *given;
    if (ctx.args.size() > 4 || (with_scores && !IsWord(ctx.arg(3), "WITHSCORES"))) {
      return ctx.reply.Error(kSyntaxError);
    }
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 2;
    if (with_scores && (count < -kMost || count > kMost)) {
      return ctx.reply.Error(kValueOutOfRange);
    }
  }
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return counted ? ctx.reply.ArrayHeader(0) : ctx.reply.Null();
  if (counted) return WriteRandomMembers(*set, count, with_scores, ctx.reply);
  set->VisitRandom(ThreadRandom, [&](std::string_view member, double) { ctx.reply.Bulk(member); });
}

void ZScan(CommandContext& ctx) {
  const auto cursor = ReadCursor(ctx, 2);
  if (!cursor) return;
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return WriteScanReply(ctx.reply, 0, 0, {});
  ScanOptions options;
  if (!ReadScanOptions(ctx, 3, false, &options)) return;
  std::string elements;
  ReplyWriter writer(&elements, ctx.reply.version());
  size_t count = 0;
  const uint64_t next =
      set->Scan(*cursor, options.count, [&](std::string_view member, double score) {
        if (!options.Matches(member)) return;
        writer.Bulk(member);
        writer.Bulk(FormatDouble(score));
        count += 2;
      });
  WriteScanReply(ctx.reply, next, count, elements);
}

constexpr KeySpec kOneKey{1, 1, 1};
constexpr KeySpec kAllButLast{1, -2, 1};
constexpr KeySpec kTargetAndCounted{1, 1, 1, 2};
constexpr uint32_t kReadFast = kCatRead | kCatSortedSet | kCatFast;
constexpr uint32_t kReadSlow = kCatRead | kCatSortedSet | kCatSlow;
constexpr uint32_t kWriteFast = kCatWrite | kCatSortedSet | kCatFast;
constexpr uint32_t kWriteSlow = kCatWrite | kCatSortedSet | kCatSlow;
constexpr uint32_t kMovableRead = kReadOnly | kMovableKeys;
constexpr uint32_t kMovableStore = kWrite | kDenyOom | kMovableKeys;
constexpr std::string_view kGroup = "sorted-set";

constexpr Command kCommands[] = {
    {"bzmpop",
     -5,
     kWrite | kBlocking | kMovableKeys,
     {.count_at = 2},
     kWriteSlow | kCatBlocking,
     &BZMPop,
     kGroup,
     "7.0.0",
     "Pops members of the first set that is not empty, or waits."},
    {"bzpopmax", -3, kWrite | kBlocking | kFast, kAllButLast, kWriteFast | kCatBlocking, &BZPopMax,
     kGroup, "5.0.0",
     "Pops the member with the highest score of the first set that is not empty, or waits."},
    {"bzpopmin", -3, kWrite | kBlocking | kFast, kAllButLast, kWriteFast | kCatBlocking, &BZPopMin,
     kGroup, "5.0.0",
     "Pops the member with the lowest score of the first set that is not empty, or waits."},
    {"zadd", -4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &ZAdd, kGroup, "1.2.0",
     "Adds members or changes their scores."},
    {"zcard", 2, kReadOnly | kFast, kOneKey, kReadFast, &ZCard, kGroup, "1.2.0",
     "Returns the number of members."},
    {"zcount", 4, kReadOnly | kFast, kOneKey, kReadFast, &ZCount, kGroup, "2.0.0",
     "Counts the members in a range of scores."},
    {"zdiff",
     -3,
     kMovableRead,
     {.count_at = 1},
     kReadSlow,
     &ZDiff,
     kGroup,
     "6.2.0",
     "Returns the members of the first set that are in no other."},
    {"zdiffstore", -4, kMovableStore, kTargetAndCounted, kWriteSlow, &ZDiffStore, kGroup, "6.2.0",
     "Stores the members of the first set that are in no other."},
    {"zincrby", 4, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &ZIncrBy, kGroup, "1.2.0",
     "Adds to the score of a member."},
    {"zinter",
     -3,
     kMovableRead,
     {.count_at = 1},
     kReadSlow,
     &ZInter,
     kGroup,
     "6.2.0",
     "Returns the members that all sets have."},
    {"zintercard",
     -3,
     kMovableRead,
     {.count_at = 1},
     kReadSlow,
     &ZInterCard,
     kGroup,
     "7.0.0",
     "Counts the members that all sets have."},
    {"zinterstore", -4, kMovableStore, kTargetAndCounted, kWriteSlow, &ZInterStore, kGroup, "2.0.0",
     "Stores the members that all sets have."},
    {"zlexcount", 4, kReadOnly | kFast, kOneKey, kReadFast, &ZLexCount, kGroup, "2.8.9",
     "Counts the members in a range of their bytes."},
    {"zmpop",
     -4,
     kWrite | kMovableKeys,
     {.count_at = 1},
     kWriteSlow,
     &ZMPop,
     kGroup,
     "7.0.0",
     "Pops the extreme members of the first set that is not empty."},
    {"zmscore", -3, kReadOnly | kFast, kOneKey, kReadFast, &ZMScore, kGroup, "6.2.0",
     "Returns the scores of several members."},
    {"zpopmax", -2, kWrite | kFast, kOneKey, kWriteFast, &ZPopMax, kGroup, "5.0.0",
     "Pops the members with the highest scores."},
    {"zpopmin", -2, kWrite | kFast, kOneKey, kWriteFast, &ZPopMin, kGroup, "5.0.0",
     "Pops the members with the lowest scores."},
    {"zrandmember", -2, kReadOnly, kOneKey, kReadSlow, &ZRandMember, kGroup, "6.2.0",
     "Returns members chosen at random."},
    {"zrange", -4, kReadOnly, kOneKey, kReadSlow, &ZRange, kGroup, "1.2.0",
     "Returns the members in a range of ranks, scores or bytes."},
    {"zrangebylex", -4, kReadOnly, kOneKey, kReadSlow, &ZRangeByLex, kGroup, "2.8.9",
     "Returns the members in a range of their bytes."},
    {"zrangebyscore", -4, kReadOnly, kOneKey, kReadSlow, &ZRangeByScore, kGroup, "1.0.5",
     "Returns the members in a range of scores."},
    {"zrangestore",
     -5,
     kWrite | kDenyOom,
     {1, 2, 1},
     kWriteSlow,
     &ZRangeStore,
     kGroup,
     "6.2.0",
     "Stores the members in a range of ranks, scores or bytes."},
    {"zrank", -3, kReadOnly | kFast, kOneKey, kReadFast, &ZRank, kGroup, "2.0.0",
     "Returns the rank of a member, the lowest score first."},
    {"zrem", -3, kWrite | kFast, kOneKey, kWriteFast, &ZRem, kGroup, "1.2.0", "Removes members."},
    {"zremrangebylex", 4, kWrite, kOneKey, kWriteSlow, &ZRemRangeByLex, kGroup, "2.8.9",
     "Removes the members in a range of their bytes."},
    {"zremrangebyrank", 4, kWrite, kOneKey, kWriteSlow, &ZRemRangeByRank, kGroup, "2.0.0",
     "Removes the members in a range of ranks."},
    {"zremrangebyscore", 4, kWrite, kOneKey, kWriteSlow, &ZRemRangeByScore, kGroup, "1.2.0",
     "Removes the members in a range of scores."},
    {"zrevrange", -4, kReadOnly, kOneKey, kReadSlow, &ZRevRange, kGroup, "1.2.0",
     "Returns the members in a range of ranks, the highest score first."},
    {"zrevrangebylex", -4, kReadOnly, kOneKey, kReadSlow, &ZRevRangeByLex, kGroup, "2.8.9",
     "Returns the members in a range of their bytes, the last first."},
    {"zrevrangebyscore", -4, kReadOnly, kOneKey, kReadSlow, &ZRevRangeByScore, kGroup, "2.2.0",
     "Returns the members in a range of scores, the highest first."},
    {"zrevrank", -3, kReadOnly | kFast, kOneKey, kReadFast, &ZRevRank, kGroup, "2.0.0",
     "Returns the rank of a member, the highest score first."},
    {"zscan", -3, kReadOnly, kOneKey, kReadSlow, &ZScan, kGroup, "2.8.0",
     "Iterates over members and scores."},
    {"zscore", 3, kReadOnly | kFast, kOneKey, kReadFast, &ZScore, kGroup, "1.2.0",
     "Returns the score of a member."},
    {"zunion",
     -3,
     kMovableRead,
     {.count_at = 1},
     kReadSlow,
     &ZUnion,
     kGroup,
     "6.2.0",
     "Returns the members that any set has."},
    {"zunionstore", -4, kMovableStore, kTargetAndCounted, kWriteSlow, &ZUnionStore, kGroup, "2.0.0",
     "Stores the members that any set has."},
};

}  // namespace
}  // namespace sorted_sets

std::span<const Command> SortedSetCommands() { return sorted_sets::kCommands; }

}  // namespace chorale
