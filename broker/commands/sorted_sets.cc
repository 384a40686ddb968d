// Sorted sets: https://redis.io/docs/latest/commands/?group=sorted-set

#include <memory>
#include <string>
#include <utility>

#include "broker/blocking.h"
#include "broker/command.h"
#include "broker/commands/errors.h"
#include "broker/connection.h"
#include "broker/lease.h"
#include "protocol/numbers.h"
#include "storage/sorted_set.h"

namespace chorale {
namespace {

// Pops the extreme member of `key` and writes the reply of BZPOPMIN or BZPOPMAX.
std::pair<std::string, double> PopExtreme(LockedKeys& keys, int db, std::string_view key,
                                          bool lowest, ReplyWriter& reply) {
  Edit<SortedSet> set(keys, db, key, IfAbsent::kLeave);
  std::pair<std::string, double> popped;
  const auto take = [&](std::string_view member, double score) {
    popped = {std::string(member), score};
    reply.ArrayHeader(3);
    reply.Bulk(key);
    reply.Bulk(member);
    reply.Double(score);
  };
  lowest ? set->PopMin(1, take) : set->PopMax(1, take);
  return popped;
}

void BlockingPopExtreme(CommandContext& ctx, bool lowest) {
  const auto timeout_ms = ParseTimeout(ctx, ctx.args.back());
  if (!timeout_ms) return;
  const auto keys = ctx.args.subspan(1, ctx.args.size() - 2);
  BlockingPop pop{.keys = {keys.begin(), keys.end()},
                  .wanted = ValueType::kSortedSet,
                  .timeout_ms = *timeout_ms};
  if (lowest && keys.size() == 1 && ctx.client.connection.recovered_before() == keys[0]) {
    pop.leasing_pop = [db = ctx.db](LockedKeys& locked, std::string_view key, ReplyWriter& reply) {
      const int64_t expiry_ms = locked.Expiry(db, locked.Find(db, key));
      auto [member, score] = PopExtreme(locked, db, key, true, reply);
      return std::make_unique<Lease>(
          Lease{db, std::string(key), std::move(member), score, expiry_ms});
    };
  } else {
    pop.pop = [lowest, db = ctx.db](LockedKeys& locked, std::string_view key, ReplyWriter& reply) {
      PopExtreme(locked, db, key, lowest, reply);
    };
  }
  PopOrBlock(ctx, std::move(pop));
}

void BZPopMin(CommandContext& ctx) { BlockingPopExtreme(ctx, true); }
void BZPopMax(CommandContext& ctx) { BlockingPopExtreme(ctx, false); }

void ZAdd(CommandContext& ctx) {
  Edit<SortedSet> set(ctx.keys, ctx.db, ctx.arg(1), IfAbsent::kCreate);
  if (set.wrong_type()) {
    ctx.reply.Error(kWrongType);
    return;
  }
  int64_t added = 0;
  for (size_t i = 2; i + 1 < ctx.args.size(); i += 2) {
    const auto score = ParseDouble(ctx.arg(i));
    if (!score) {
      ctx.reply.Error(kNotAFloat);
      return;
    }
    added += set->Add(ctx.arg(i + 1), *score).outcome == SortedSet::AddOutcome::kAdded;
  }
  ctx.reply.Integer(added);
}

constexpr Command kCommands[] = {
    {"bzpopmax",
     -3,
     kWrite | kBlocking | kFast,
     {1, -2, 1},
     kKeyspace | kCatWrite | kCatSortedSet | kCatFast | kCatBlocking,
     &BZPopMax,
     "sorted-set",
     "5.0.0",
     "Pops the member with the highest score of the first set that is not empty, or waits."},
    {"bzpopmin",
     -3,
     kWrite | kBlocking | kFast,
     {1, -2, 1},
     kKeyspace | kCatWrite | kCatSortedSet | kCatFast | kCatBlocking,
     &BZPopMin,
     "sorted-set",
     "5.0.0",
     "Pops the member with the lowest score of the first set that is not empty, or waits."},
    {"zadd",
     -4,
     kWrite | kDenyOom | kFast,
     {1, 1, 1},
     kKeyspace | kCatWrite | kCatSortedSet | kCatFast,
     &ZAdd,
     "sorted-set",
     "1.2.0",
     "Adds members to a sorted set or changes their scores."},
};

}  // namespace

std::span<const Command> SortedSetCommands() { return kCommands; }

}  // namespace chorale
