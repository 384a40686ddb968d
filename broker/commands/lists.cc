// Lists: https://redis.io/docs/latest/commands/?group=list

#include "broker/commands/lists.h"

#include <cstdlib>
#include <limits>
#include <vector>

#include "broker/commands/arguments.h"
#include "storage/list.h"

namespace chorale {
namespace lists {
namespace {

template <bool kFront>
void PushAll(CommandContext& ctx, IfAbsent if_absent) {
  Edit<List> list(ctx.keys, ctx.db, ctx.arg(1), if_absent);
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!list) return ctx.reply.Integer(0);
  for (const std::string_view element : ctx.args.subspan(2)) {
    kFront ? list->PushFront(element) : list->PushBack(element);
  }
  ctx.reply.Integer(static_cast<int64_t>(list->size()));
}

void LPush(CommandContext& ctx) { PushAll<true>(ctx, IfAbsent::kCreate); }
void RPush(CommandContext& ctx) { PushAll<false>(ctx, IfAbsent::kCreate); }
void LPushX(CommandContext& ctx) { PushAll<true>(ctx, IfAbsent::kLeave); }
void RPushX(CommandContext& ctx) { PushAll<false>(ctx, IfAbsent::kLeave); }

void LLen(CommandContext& ctx) {
  const View<List> list = ctx.keys.Read<List>(ctx.db, ctx.arg(1));
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(list ? static_cast<int64_t>(list->size()) : 0);
}

void LRange(CommandContext& ctx) {
  const auto first = ReadInteger(ctx, 2);
  if (!first) return;
  const auto last = ReadInteger(ctx, 3);
  if (!last) return;
  const View<List> list = ctx.keys.Read<List>(ctx.db, ctx.arg(1));
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!list) return ctx.reply.ArrayHeader(0);
  const IndexRange range = ClampRange(*first, *last, list->size());
  ctx.reply.ArrayHeader(range.end - range.begin);
  list->ForEach(range.begin, range.end, [&](std::string_view element) { ctx.reply.Bulk(element); });
}

void LTrim(CommandContext& ctx) {
  const auto first = ReadInteger(ctx, 2);
  if (!first) return;
  const auto last = ReadInteger(ctx, 3);
  if (!last) return;
  Edit<List> list(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (list) {
    const IndexRange range = ClampRange(*first, *last, list->size());
    list->Trim(range.begin, range.end);
    list.MarkChanged();
  }
  ctx.reply.Ok();
}

// The position that a possibly negative index names, or nullopt when it lies outside.
std::optional<size_t> PositionOf(int64_t index, size_t size) {
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || index >= static_cast<int64_t>(size)) return std::nullopt;
  return static_cast<size_t>(index);
}

void LIndex(CommandContext& ctx) {
  const View<List> list = ctx.keys.Read<List>(ctx.db, ctx.arg(1));
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!list) return ctx.reply.Null();
  const auto index = ReadInteger(ctx, 2);
  if (!index) return;
  const auto position = PositionOf(*index, list->size());
  if (!position) return ctx.reply.Null();
  ctx.reply.Bulk(list->At(*position));
}

void LSet(CommandContext& ctx) {
  Edit<List> list(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!list) return ctx.reply.Error(kNoSuchKey);
  const auto index = ReadInteger(ctx, 2);
  if (!index) return;
  const auto position = PositionOf(*index, list->size());
  if (!position) return ctx.reply.Error(kOutOfRange);
  list->Set(*position, ctx.arg(3));
  list.MarkChanged();
  ctx.reply.Ok();
}

void LInsert(CommandContext& ctx) {
  const bool before = IsWord(ctx.arg(2), "BEFORE");
  if (!before && !IsWord(ctx.arg(2), "AFTER")) return ctx.reply.Error(kSyntaxError);
  Edit<List> list(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!list) return ctx.reply.Integer(0);
  const bool inserted = before ? list->InsertBefore(ctx.arg(3), ctx.arg(4))
                               : list->InsertAfter(ctx.arg(3), ctx.arg(4));
  ctx.reply.Integer(inserted ? static_cast<int64_t>(list->size()) : -1);
}

void LRem(CommandContext& ctx) {
  const auto count = ReadSignedCount(ctx, 2);
  if (!count) return;
  Edit<List> list(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  ctx.reply.Integer(list ? static_cast<int64_t>(list->Remove(*count, ctx.arg(3))) : 0);
}

struct PositionOptions {
  int64_t rank = 1;
  std::optional<size_t> count;
  size_t max_length = 0;  // 0: no limit
};

std::optional<PositionOptions> ReadPositionOptions(CommandContext& ctx) {
  PositionOptions options;
  for (size_t i = 3; i < ctx.args.size(); i += 2) {
    const bool has_value = i + 1 < ctx.args.size();
    if (has_value && IsWord(ctx.arg(i), "RANK")) {
      const auto rank = ReadSignedCount(ctx, i + 1);
      if (!rank) return std::nullopt;
      if (*rank == 0) {
        ctx.reply.Error(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or "
            "use negative to start from the end of the list");
        return std::nullopt;
      }
      options.rank = *rank;
    } else if (has_value && IsWord(ctx.arg(i), "COUNT")) {
      const auto count = ReadAtLeast(ctx, i + 1, 0, "ERR COUNT can't be negative");
      if (!count) return std::nullopt;
      options.count = static_cast<size_t>(*count);
    } else if (has_value && IsWord(ctx.arg(i), "MAXLEN")) {
      const auto length = ReadAtLeast(ctx, i + 1, 0, "ERR MAXLEN can't be negative");
      if (!length) return std::nullopt;
      options.max_length = static_cast<size_t>(*length);
    } else {
      ctx.reply.Error(kSyntaxError);
      return std::nullopt;
    }
  }
  return options;
}

void LPos(CommandContext& ctx) {
  const auto options = ReadPositionOptions(ctx);
  if (!options) return;
  const View<List> list = ctx.keys.Read<List>(ctx.db, ctx.arg(1));
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  std::vector<size_t> found;
  if (list) {
    int64_t skip = std::abs(options->rank) - 1;
    const size_t wanted = options->count.value_or(1);
    const size_t length = options->max_length == 0 ? list->size() : options->max_length;
    list->Search(ctx.arg(2), options->rank < 0, length, [&](size_t index) {
      if (skip-- > 0) return true;
      found.push_back(index);
      return found.size() != wanted;
    });
  }
  if (options->count.has_value()) {
    ctx.reply.ArrayHeader(found.size());
    for (const size_t index : found) ctx.reply.Integer(static_cast<int64_t>(index));
  } else if (found.empty()) {
    ctx.reply.Null();
  } else {
    ctx.reply.Integer(static_cast<int64_t>(found[0]));
  }
}

constexpr KeySpec kOneKey{1, 1, 1};
constexpr KeySpec kTwoKeys{1, 2, 1};
constexpr KeySpec kAllButLast{1, -2, 1};
constexpr uint32_t kReadSlow = kCatRead | kCatList | kCatSlow;
constexpr uint32_t kWriteSlow = kCatWrite | kCatList | kCatSlow;
constexpr uint32_t kWriteFast = kCatWrite | kCatList | kCatFast;
constexpr uint32_t kWaits = kCatWrite | kCatList | kCatSlow | kCatBlocking;

constexpr Command kCommands[] = {
    {"blmove", 6, kWrite | kDenyOom | kBlocking, kTwoKeys, kWaits, &BLMove, "list", "6.2.0",
     "Moves an element from one list to another, or waits for one."},
    {"blmpop",
     -5,
     kWrite | kBlocking | kMovableKeys,
     {.count_at = 2},
     kWaits,
     &BLMPop,
     "list",
     "7.0.0",
     "Pops elements of the first list that is not empty, or waits."},
    {"blpop", -3, kWrite | kBlocking, kAllButLast, kWaits, &BLPop, "list", "2.0.0",
     "Pops the first element of the first list that is not empty, or waits."},
    {"brpop", -3, kWrite | kBlocking, kAllButLast, kWaits, &BRPop, "list", "2.0.0",
     "Pops the last element of the first list that is not empty, or waits."},
    {"brpoplpush", 4, kWrite | kDenyOom | kBlocking, kTwoKeys, kWaits, &BRPopLPush, "list", "2.2.0",
     "Moves the last element of a list to the front of another, or waits for one."},
    {"lindex", 3, kReadOnly, kOneKey, kReadSlow, &LIndex, "list", "1.0.0",
     "Returns the element at an index."},
    {"linsert", 5, kWrite | kDenyOom, kOneKey, kWriteSlow, &LInsert, "list", "2.2.0",
     "Inserts an element before or after another one."},
    {"llen", 2, kReadOnly | kFast, kOneKey, kCatRead | kCatList | kCatFast, &LLen, "list", "1.0.0",
     "Returns the number of elements."},
    {"lmove", 5, kWrite | kDenyOom, kTwoKeys, kWriteSlow, &LMove, "list", "6.2.0",
     "Moves an element from one end of a list to an end of another."},
    {"lmpop",
     -4,
     kWrite | kMovableKeys,
     {.count_at = 1},
     kWriteSlow,
     &LMPop,
     "list",
     "7.0.0",
     "Pops elements of the first list that is not empty."},
    {"lpop", -2, kWrite | kFast, kOneKey, kWriteFast, &LPop, "list", "1.0.0",
     "Pops elements from the front."},
    {"lpos", -3, kReadOnly, kOneKey, kReadSlow, &LPos, "list", "6.0.6",
     "Returns the indexes of the elements that are equal to one."},
    {"lpush", -3, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &LPush, "list", "1.0.0",
     "Pushes elements to the front."},
    {"lpushx", -3, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &LPushX, "list", "2.2.0",
     "Pushes elements to the front of a list that exists."},
    {"lrange", 4, kReadOnly, kOneKey, kReadSlow, &LRange, "list", "1.0.0",
     "Returns the elements in a range of indexes."},
    {"lrem", 4, kWrite, kOneKey, kWriteSlow, &LRem, "list", "1.0.0",
     "Removes elements that are equal to one."},
    {"lset", 4, kWrite | kDenyOom, kOneKey, kWriteSlow, &LSet, "list", "1.0.0",
     "Replaces the element at an index."},
    {"ltrim", 4, kWrite, kOneKey, kWriteSlow, &LTrim, "list", "1.0.0",
     "Keeps only the elements in a range of indexes."},
    {"rpop", -2, kWrite | kFast, kOneKey, kWriteFast, &RPop, "list", "1.0.0",
     "Pops elements from the back."},
    {"rpoplpush", 3, kWrite | kDenyOom, kTwoKeys, kWriteSlow, &RPopLPush, "list", "1.2.0",
     "Moves the last element of a list to the front of another."},
    {"rpush", -3, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &RPush, "list", "1.0.0",
     "Pushes elements to the back."},
    {"rpushx", -3, kWrite | kDenyOom | kFast, kOneKey, kWriteFast, &RPushX, "list", "2.2.0",
     "Pushes elements to the back of a list that exists."},
};

}  // namespace
}  // namespace lists

std::span<const Command> ListCommands() { return lists::kCommands; }

}  // namespace chorale
