#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "broker/commands/arguments.h"
#include "broker/commands/sorted_sets.h"

namespace chorale::sorted_sets {
namespace {

constexpr std::string_view kBadScoreRange = "ERR min or max is not a float";
constexpr std::string_view kBadLexRange = "ERR min or max not valid string range item";

// One end of a range of scores, as strtod reads it: unlike a score it may be empty (0), begin with
// spaces and overflow to infinity.
bool ParseScoreBound(std::string_view text, double* score, bool* exclusive) {
  *exclusive = !text.empty() && text[0] == '(';
  const std::string number(*exclusive ? text.substr(1) : text);
  char* end = nullptr;
  *score = std::strtod(number.c_str(), &end);
  return *end == '\0' && !std::isnan(*score);
}

std::optional<ScoreRange> ReadScoreRange(CommandContext& ctx, size_t min, size_t max) {
  ScoreRange range{};
  if (ParseScoreBound(ctx.arg(min), &range.min, &range.min_exclusive) &&
      ParseScoreBound(ctx.arg(max), &range.max, &range.max_exclusive)) {
    return range;
  }
  ctx.reply.Error(kBadScoreRange);
  return std::nullopt;
}

std::optional<LexBound> ParseLexBound(std::string_view text) {
  if (text == "-") return LexBound{LexBound::Kind::kLowest, {}};
  if (text == "+") return LexBound{LexBound::Kind::kHighest, {}};
  if (text.empty()) return std::nullopt;
  if (text[0] == '[') return LexBound{LexBound::Kind::kInclusive, text.substr(1)};
  if (text[0] == '(') return LexBound{LexBound::Kind::kExclusive, text.substr(1)};
  return std::nullopt;
}

std::optional<LexRange> ReadLexRange(CommandContext& ctx, size_t min, size_t max) {
  const auto low = ParseLexBound(ctx.arg(min));
  const auto high = ParseLexBound(ctx.arg(max));
  if (low && high) return LexRange{*low, *high};
  ctx.reply.Error(kBadLexRange);
  return std::nullopt;
}

struct Indexes {
  int64_t first = 0;
  int64_t last = 0;
};

std::optional<Indexes> ReadIndexes(CommandContext& ctx, size_t first, size_t last) {
  const auto from = ReadInteger(ctx, first);
  if (!from) return std::nullopt;
  const auto to = ReadInteger(ctx, last);
  if (!to) return std::nullopt;
  return Indexes{*from, *to};
}

// ---- ZRANGE and its kin ----

// What a range counts in. kUnset: the command takes BYSCORE and BYLEX, and none was given yet.
enum class By { kUnset, kRank, kScore, kLex };
enum class Direction { kUnset, kForward, kReverse };

struct Query {
  By by = By::kUnset;
  Direction direction = Direction::kUnset;
  bool with_scores = false;
  int64_t offset = 0;
  int64_t limit = -1;  // negative: none
  Indexes indexes;
  ScoreRange scores{};
  LexRange lex{};

  bool reverse() const { return direction == Direction::kReverse; }
};

bool ReadQueryOptions(CommandContext& ctx, size_t index, bool store, Query* query) {
  for (; index < ctx.args.size(); ++index) {
    const std::string_view word = ctx.arg(index);
    if (!store && IsWord(word, "WITHSCORES")) {
      query->with_scores = true;
    } else if (IsWord(word, "LIMIT") && index + 2 < ctx.args.size()) {
      const auto limits = ReadIndexes(ctx, index + 1, index + 2);
      if (!limits) return false;
      query->offset = limits->first;
      query->limit = limits->last;
      index += 2;
    } else if (query->direction == Direction::kUnset && IsWord(word, "REV")) {
      query->direction = Direction::kReverse;
    } else if (query->by == By::kUnset && IsWord(word, "BYLEX")) {
      query->by = By::kLex;
    } else if (query->by == By::kUnset && IsWord(word, "BYSCORE")) {
      query->by = By::kScore;
    } else {
      ctx.reply.Error(kSyntaxError);
      return false;
    }
  }
  if (query->by == By::kUnset) query->by = By::kRank;
  if (query->limit != -1 && query->by == By::kRank) {
    ctx.reply.Error(
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (query->with_scores && query->by == By::kLex) {
    ctx.reply.Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  return true;
}

// Reads the two ends at `index` and the options behind them into `query`, whose `by` and
// `direction` say what the command's name fixes.
bool ReadQuery(CommandContext& ctx, size_t index, bool store, Query* query) {
  if (!ReadQueryOptions(ctx, index + 2, store, query)) return false;
  size_t min = index;
  size_t max = index + 1;
  if (query->reverse() && query->by != By::kRank) std::swap(min, max);
  if (query->by == By::kScore) {
    const auto range = ReadScoreRange(ctx, min, max);
    if (range) query->scores = *range;
    return range.has_value();
  }
  if (query->by == By::kLex) {
    const auto range = ReadLexRange(ctx, min, max);
    if (range) query->lex = *range;
    return range.has_value();
  }
  const auto indexes = ReadIndexes(ctx, min, max);
  if (indexes) query->indexes = *indexes;
  return indexes.has_value();
}

// Cuts LIMIT's part out of the ranks; it counts in the direction of the query.
RankRange Limit(const Query& query, RankRange ranks) {
  if (query.offset < 0 || static_cast<uint64_t>(query.offset) >= ranks.size()) return {};
  const auto offset = static_cast<size_t>(query.offset);
  size_t count = ranks.size() - offset;
  if (query.limit >= 0) count = std::min(count, static_cast<size_t>(query.limit));
  if (query.reverse()) return {ranks.end - offset - count, ranks.end - offset};
  return {ranks.begin + offset, ranks.begin + offset + count};
}

RankRange Select(const SortedSet& set, const Query& query) {
  if (query.by == By::kScore) return Limit(query, set.Ranks(query.scores));
  if (query.by == By::kLex) return Limit(query, set.Ranks(query.lex, query.reverse()));
  const IndexRange range = ClampRange(query.indexes.first, query.indexes.last, set.size());
  if (query.reverse()) return {set.size() - range.end, set.size() - range.begin};
  return {range.begin, range.end};
}

void ReplyRange(CommandContext& ctx, By by, Direction direction) {
  Query query;
  query.by = by;
  query.direction = direction;
  if (!ReadQuery(ctx, 2, false, &query)) return;
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return ctx.reply.ArrayHeader(0);
  const RankRange ranks = Select(*set, query);
  WriteMembersHeader(ctx.reply, ranks.size(), query.with_scores);
  set->ForEach(ranks, query.reverse(), [&](std::string_view member, double score) {
    WriteMember(ctx.reply, member, score, query.with_scores);
  });
}

// ---- removing ----

template <typename Range>
RankRange RanksOf(const SortedSet& set, const Range& range) {
  return set.Ranks(range);
}
RankRange RanksOf(const SortedSet& set, const LexRange& range) { return set.Ranks(range, false); }
RankRange RanksOf(const SortedSet& set, const Indexes& indexes) {
  const IndexRange range = ClampRange(indexes.first, indexes.last, set.size());
  return {range.begin, range.end};
}

template <typename Range>
void Count(CommandContext& ctx, const std::optional<Range>& range) {
  if (!range) return;
  const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(1));
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(set ? static_cast<int64_t>(RanksOf(*set, *range).size()) : 0);
}

template <typename Range>
void RemoveRange(CommandContext& ctx, const std::optional<Range>& range) {
  if (!range) return;
  Edit<SortedSet> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set) return ctx.reply.Integer(0);
  const RankRange ranks = RanksOf(*set, *range);
  set->RemoveRange(ranks);
  ctx.reply.Integer(static_cast<int64_t>(ranks.size()));
}

}  // namespace

void ZRange(CommandContext& ctx) { ReplyRange(ctx, By::kUnset, Direction::kUnset); }
void ZRevRange(CommandContext& ctx) { ReplyRange(ctx, By::kRank, Direction::kReverse); }
void ZRangeByScore(CommandContext& ctx) { ReplyRange(ctx, By::kScore, Direction::kForward); }
void ZRevRangeByScore(CommandContext& ctx) { ReplyRange(ctx, By::kScore, Direction::kReverse); }
void ZRangeByLex(CommandContext& ctx) { ReplyRange(ctx, By::kLex, Direction::kForward); }
void ZRevRangeByLex(CommandContext& ctx) { ReplyRange(ctx, By::kLex, Direction::kReverse); }

void ZRangeStore(CommandContext& ctx) {
  Query query;
  if (!ReadQuery(ctx, 3, true, &query)) return;
  const View<SortedSet> source = ctx.keys.Read<SortedSet>(ctx.db, ctx.arg(2));
  if (source.wrong_type()) return ctx.reply.Error(kWrongType);
  auto result = std::make_unique<SortedSet>();
  if (source) {
    source->ForEach(Select(*source, query), false,
                    [&](std::string_view member, double score) { result->Add(member, score); });
  }
  const size_t size = result->size();
  if (size == 0) {
    ctx.keys.Delete(ctx.db, ctx.arg(1));
  } else {
    ctx.keys.PutObject(ctx.db, ctx.arg(1), std::move(result));
  }
  ctx.reply.Integer(static_cast<int64_t>(size));
}

void ZCount(CommandContext& ctx) { Count(ctx, ReadScoreRange(ctx, 2, 3)); }
void ZLexCount(CommandContext& ctx) { Count(ctx, ReadLexRange(ctx, 2, 3)); }
void ZRemRangeByRank(CommandContext& ctx) { RemoveRange(ctx, ReadIndexes(ctx, 2, 3)); }
void ZRemRangeByScore(CommandContext& ctx) { RemoveRange(ctx, ReadScoreRange(ctx, 2, 3)); }
void ZRemRangeByLex(CommandContext& ctx) { RemoveRange(ctx, ReadLexRange(ctx, 2, 3)); }

}  // namespace chorale::sorted_sets
