#include <algorithm>
#include <limits>
#include <string>

#include "broker/blocking.h"
#include "broker/commands/arguments.h"
#include "broker/commands/lists.h"
#include "broker/dispatch.h"
#include "storage/list.h"

namespace chorale::lists {
namespace {

enum class Side { kLeft, kRight };

std::optional<Side> ReadSide(CommandContext& ctx, size_t index) {
  if (IsWord(ctx.arg(index), "LEFT")) return Side::kLeft;
  if (IsWord(ctx.arg(index), "RIGHT")) return Side::kRight;
  ctx.reply.Error(kSyntaxError);
  return std::nullopt;
}

std::string_view At(const List& list, Side side) {
  return side == Side::kLeft ? list.Front() : list.Back();
}
void PopAt(List& list, Side side) { side == Side::kLeft ? list.PopFront() : list.PopBack(); }
void PushAt(List& list, Side side, std::string_view element) {
  side == Side::kLeft ? list.PushFront(element) : list.PushBack(element);
}

void WritePopped(List& list, Side side, size_t count, ReplyWriter& reply) {
  count = std::min(count, list.size());
  reply.ArrayHeader(count);
  for (; count > 0; --count) {
    reply.Bulk(At(list, side));
    PopAt(list, side);
  }
}

void Pop(CommandContext& ctx, Side side) {
  if (ctx.args.size() > 3) return WriteWrongArity(ctx.command, ctx.reply);
  const bool counted = ctx.args.size() == 3;
  size_t count = 1;
  if (counted) {
    const auto given = ReadAtLeast(ctx, 2, 0, kMustBePositive);
    if (!given) return;
    count = static_cast<size_t>(*given);
  }
  Edit<List> list(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (list.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!list) return counted ? ctx.reply.NullArray() : ctx.reply.Null();
  if (counted) return WritePopped(*list, side, count, ctx.reply);
  ctx.reply.Bulk(At(*list, side));
  PopAt(*list, side);
}

// What [B]LMPOP says after its keys.
struct MultiPop {
  Arguments keys;
  Side side;
  size_t count;
};

std::optional<MultiPop> ReadMultiPop(CommandContext& ctx, size_t index) {
  const auto keys = ReadCountedKeys(ctx, index);
  if (!keys) return std::nullopt;
  size_t next = index + 1 + keys->size();
  if (next >= ctx.args.size()) {
    ctx.reply.Error(kSyntaxError);
    return std::nullopt;
  }
  const auto side = ReadSide(ctx, next++);
  if (!side) return std::nullopt;
  const auto count = ReadPopCount(ctx, next);
  if (!count) return std::nullopt;
  return MultiPop{*keys, *side, *count};
}

PopFunction MultiPopFunction(int db, const MultiPop& pop) {
  return [db, side = pop.side, count = pop.count](LockedKeys& keys, std::string_view key,
                                                  ReplyWriter& reply) {
    Edit<List> list(keys, db, key, IfAbsent::kLeave);
    reply.ArrayHeader(2);
    reply.Bulk(key);
    WritePopped(*list, side, count, reply);
  };
}

void BlockingPopSide(CommandContext& ctx, Side side) {
  const auto timeout_ms = ParseTimeout(ctx, ctx.args.back());
  if (!timeout_ms) return;
  const auto keys = ctx.args.subspan(1, ctx.args.size() - 2);
  PopOrBlock(ctx, {.keys = {keys.begin(), keys.end()},
                   .wanted = ValueType::kList,
                   .timeout_ms = *timeout_ms,
                   .pop = [side, db = ctx.db](LockedKeys& locked, std::string_view key,
                                              ReplyWriter& reply) {
                     Edit<List> list(locked, db, key, IfAbsent::kLeave);
                     reply.ArrayHeader(2);
                     reply.Bulk(key);
                     reply.Bulk(At(*list, side));
                     PopAt(*list, side);
                   }});
}

// Takes an element from one list, which is there, to another. A target of another type leaves both
// as they are.
void MoveElement(LockedKeys& keys, int db, std::string_view from_key, Side from,
                 std::string_view to_key, Side to, ReplyWriter& reply) {
  Edit<List> source(keys, db, from_key, IfAbsent::kLeave);
  if (from_key == to_key) {
    const std::string element(At(*source, from));
    PopAt(*source, from);
    PushAt(*source, to, element);
    source.MarkChanged();
    return reply.Bulk(element);
  }
  Edit<List> target(keys, db, to_key, IfAbsent::kCreate);
  if (target.wrong_type()) return reply.Error(kWrongType);
  reply.Bulk(At(*source, from));
  PushAt(*target, to, At(*source, from));
  PopAt(*source, from);
}

void Move(CommandContext& ctx, Side from, Side to) {
  const View<List> source = ctx.keys.Read<List>(ctx.db, ctx.arg(1));
  if (source.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!source) return ctx.reply.Null();
  MoveElement(ctx.keys, ctx.db, ctx.arg(1), from, ctx.arg(2), to, ctx.reply);
}

void BlockingMove(CommandContext& ctx, Side from, Side to) {
  const auto timeout_ms = ParseTimeout(ctx, ctx.args.back());
  if (!timeout_ms) return;
  PopOrBlock(ctx, {.keys = {ctx.arg(1)},
                   .wanted = ValueType::kList,
                   .target = ctx.arg(2),
                   .timeout_ms = *timeout_ms,
                   .pop =
                       [from, to, db = ctx.db, target = std::string(ctx.arg(2))](
                           LockedKeys& locked, std::string_view key, ReplyWriter& reply) {
                         MoveElement(locked, db, key, from, target, to, reply);
                       },
                   .null_array_at_once = false});
}

}  // namespace

void LPop(CommandContext& ctx) { Pop(ctx, Side::kLeft); }
void RPop(CommandContext& ctx) { Pop(ctx, Side::kRight); }

void LMPop(CommandContext& ctx) {
  const auto pop = ReadMultiPop(ctx, 1);
  if (!pop) return;
  for (const std::string_view key : pop->keys) {
    const View<List> list = ctx.keys.Read<List>(ctx.db, key);
    if (list.wrong_type()) return ctx.reply.Error(kWrongType);
    if (list) return MultiPopFunction(ctx.db, *pop)(ctx.keys, key, ctx.reply);
  }
  ctx.reply.NullArray();
}

void BLMPop(CommandContext& ctx) {
  const auto pop = ReadMultiPop(ctx, 2);
  if (!pop) return;
  const auto timeout_ms = ParseTimeout(ctx, ctx.arg(1));
  if (!timeout_ms) return;
  PopOrBlock(ctx, {.keys = {pop->keys.begin(), pop->keys.end()},
                   .wanted = ValueType::kList,
                   .timeout_ms = *timeout_ms,
                   .pop = MultiPopFunction(ctx.db, *pop)});
}

void BLPop(CommandContext& ctx) { BlockingPopSide(ctx, Side::kLeft); }
void BRPop(CommandContext& ctx) { BlockingPopSide(ctx, Side::kRight); }

void LMove(CommandContext& ctx) {
  const auto from = ReadSide(ctx, 3);
  if (!from) return;
  const auto to = ReadSide(ctx, 4);
  if (!to) return;
  Move(ctx, *from, *to);
}

void BLMove(CommandContext& ctx) {
  const auto from = ReadSide(ctx, 3);
  if (!from) return;
  const auto to = ReadSide(ctx, 4);
  if (!to) return;
  BlockingMove(ctx, *from, *to);
}

void RPopLPush(CommandContext& ctx) { Move(ctx, Side::kRight, Side::kLeft); }
void BRPopLPush(CommandContext& ctx) { BlockingMove(ctx, Side::kRight, Side::kLeft); }

}  // namespace chorale::lists
