#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "broker/blocking.h"
#include "broker/commands/arguments.h"
#include "broker/commands/sorted_sets.h"
#include "broker/connection.h"
#include "broker/lease.h"
#include "broker/server.h"

namespace chorale::sorted_sets {
namespace {

enum class End { kMin, kMax };

void PopAt(SortedSet& set, End end, size_t count, SortedSet::Visitor visit) {
  end == End::kMin ? set.PopMin(count, visit) : set.PopMax(count, visit);
}

void Pop(CommandContext& ctx, End end) {
  if (ctx.args.size() > 3) return ctx.reply.Error(kSyntaxError);
  const bool counted = ctx.args.size() == 3;
  size_t count = 1;
  if (counted) {
    const auto given = ReadAtLeast(ctx, 2, 0, kMustBePositive);
    if (!given) return;
    count = static_cast<size_t>(*given);
  }
  Edit<SortedSet> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kLeave);
  if (set.wrong_type()) return ctx.reply.Error(kWrongType);
  if (!set || count == 0) return ctx.reply.ArrayHeader(0);
  count = std::min(count, set->size());
  // Without a count the reply is one flat pair in RESP3 as well.
  if (counted) {
    WriteMembersHeader(ctx.reply, count, true);
  } else {
    ctx.reply.ArrayHeader(2);
  }
  PopAt(*set, end, count, [&](std::string_view member, double score) {
    if (counted) return WriteMember(ctx.reply, member, score, true);
    ctx.reply.Bulk(member);
    ctx.reply.Double(score);
  });
}

// What [B]ZMPOP says after its keys.
struct MultiPop {
  Arguments keys;
  End end;
  size_t count;
};

std::optional<MultiPop> ReadMultiPop(CommandContext& ctx, size_t index) {
  const auto keys = ReadCountedKeys(ctx, index);
  if (!keys) return std::nullopt;
  const size_t next = index + 1 + keys->size();
  const bool has_end = next < ctx.args.size();
  const bool min = has_end && IsWord(ctx.arg(next), "MIN");
  if (!min && !(has_end && IsWord(ctx.arg(next), "MAX"))) {
    ctx.reply.Error(kSyntaxError);
    return std::nullopt;
  }
  const auto count = ReadPopCount(ctx, next + 1);
  if (!count) return std::nullopt;
  return MultiPop{*keys, min ? End::kMin : End::kMax, *count};
}

PopFunction MultiPopFunction(int db, const MultiPop& pop) {
  return [db, end = pop.end, wanted = pop.count](LockedKeys& keys, std::string_view key,
                                                 ReplyWriter& reply) {
    Edit<SortedSet> set(keys, db, key, IfAbsent::kLeave);
    const size_t count = std::min(wanted, set->size());
    reply.ArrayHeader(2);
    reply.Bulk(key);
    reply.ArrayHeader(count);
    PopAt(*set, end, count, [&](std::string_view member, double score) {
      reply.ArrayHeader(2);
      reply.Bulk(member);
      reply.Double(score);
    });
  };
}

// Pops one member and writes the reply of BZPOPMIN or BZPOPMAX. Returns what was popped.
std::pair<std::string, double> PopOne(LockedKeys& keys, int db, std::string_view key, End end,
                                      ReplyWriter& reply) {
  Edit<SortedSet> set(keys, db, key, IfAbsent::kLeave);
  std::pair<std::string, double> popped;
  PopAt(*set, end, 1, [&](std::string_view member, double score) {
    popped = {std::string(member), score};
    reply.ArrayHeader(3);
    reply.Bulk(key);
    reply.Bulk(member);
    reply.Double(score);
  });
  return popped;
}

void BlockingPopEnd(CommandContext& ctx, End end) {
  const auto timeout_ms = ParseTimeout(ctx, ctx.args.back());
  if (!timeout_ms) return;
  const auto keys = ctx.args.subspan(1, ctx.args.size() - 2);
  BlockingPop pop{.keys = {keys.begin(), keys.end()},
                  .wanted = ValueType::kSortedSet,
                  .timeout_ms = *timeout_ms};
  const bool lowest = end == End::kMin;
  if (lowest && keys.size() == 1 && ctx.client.connection.recovered_before() == keys[0]) {
    pop.leasing_pop = [db = ctx.db, &leases = ctx.server.leases()](
                          LockedKeys& locked, std::string_view key, ReplyWriter& reply) {
      const int64_t expiry_ms = locked.Expiry(db, locked.Find(db, key));
      auto [member, score] = PopOne(locked, db, key, End::kMin, reply);
      return std::make_unique<Lease>(
          leases, LeasedMessage{db, std::string(key), std::move(member), score, expiry_ms});
    };
  } else {
    pop.pop = [end, db = ctx.db](LockedKeys& locked, std::string_view key, ReplyWriter& reply) {
      PopOne(locked, db, key, end, reply);
    };
  }
  PopOrBlock(ctx, std::move(pop));
}

}  // namespace

void ZPopMin(CommandContext& ctx) { Pop(ctx, End::kMin); }
void ZPopMax(CommandContext& ctx) { Pop(ctx, End::kMax); }

void ZMPop(CommandContext& ctx) {
  const auto pop = ReadMultiPop(ctx, 1);
  if (!pop) return;
  for (const std::string_view key : pop->keys) {
    const View<SortedSet> set = ctx.keys.Read<SortedSet>(ctx.db, key);
    if (set.wrong_type()) return ctx.reply.Error(kWrongType);
    if (set) return MultiPopFunction(ctx.db, *pop)(ctx.keys, key, ctx.reply);
  }
  ctx.reply.NullArray();
}

void BZMPop(CommandContext& ctx) {
  const auto pop = ReadMultiPop(ctx, 2);
  if (!pop) return;
  const auto timeout_ms = ParseTimeout(ctx, ctx.arg(1));
  if (!timeout_ms) return;
  PopOrBlock(ctx, {.keys = {pop->keys.begin(), pop->keys.end()},
                   .wanted = ValueType::kSortedSet,
                   .timeout_ms = *timeout_ms,
                   .pop = MultiPopFunction(ctx.db, *pop)});
}

void BZPopMin(CommandContext& ctx) { BlockingPopEnd(ctx, End::kMin); }
void BZPopMax(CommandContext& ctx) { BlockingPopEnd(ctx, End::kMax); }

}  // namespace chorale::sorted_sets
