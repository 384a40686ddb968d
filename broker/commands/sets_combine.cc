#include <algorithm>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "broker/commands/arguments.h"
#include "broker/commands/deferred.h"
#include "broker/commands/sets.h"
#include "storage/set.h"

namespace chorale::sets {
namespace {

// In the order of the keys; null for a key that does not exist.
using Operands = absl::InlinedVector<const Set*, 8>;
using Combine = void (*)(const Operands&, Set::WhileVisitor);

std::optional<Operands> ReadOperands(CommandContext& ctx, Arguments keys) {
  Operands operands;
  for (const std::string_view key : keys) {
    const View<Set> set = ctx.keys.Read<Set>(ctx.db, key);
    if (set.wrong_type()) {
      ctx.reply.Error(kWrongType);
      return std::nullopt;
    }
    operands.push_back(set.get());
  }
  return operands;
}

// These visit the members of the result, each once, until the visitor returns false.

void Intersect(const Operands& operands, Set::WhileVisitor visit) {
  if (std::find(operands.begin(), operands.end(), nullptr) != operands.end()) return;
  Operands by_size = operands;
  std::sort(by_size.begin(), by_size.end(),
            [](const Set* a, const Set* b) { return a->size() < b->size(); });
  by_size[0]->ForEachWhile([&](std::string_view member) {
    for (size_t i = 1; i < by_size.size(); ++i) {
      if (by_size[i] != by_size[0] && !by_size[i]->Contains(member)) return true;
    }
    return visit(member);
  });
}

void Unite(const Operands& operands, Set::WhileVisitor visit) {
  Set all;
  for (const Set* set : operands) {
    if (set != nullptr) set->ForEach([&](std::string_view member) { all.Add(member); });
  }
  all.ForEachWhile(visit);
}

void Subtract(const Operands& operands, Set::WhileVisitor visit) {
  if (operands[0] == nullptr) return;
  operands[0]->ForEachWhile([&](std::string_view member) {
    for (size_t i = 1; i < operands.size(); ++i) {
      if (operands[i] != nullptr && operands[i]->Contains(member)) return true;
    }
    return visit(member);
  });
}

void Reply(CommandContext& ctx, Combine combine) {
  const auto operands = ReadOperands(ctx, ctx.args.subspan(1));
  if (!operands) return;
  WriteCounted(ctx.reply, &ReplyWriter::SetHeader, [&](ReplyWriter& writer) {
    size_t count = 0;
    combine(*operands, [&](std::string_view member) {
      writer.Bulk(member);
      ++count;
      return true;
    });
    return count;
  });
}

void Store(CommandContext& ctx, Combine combine) {
  const auto operands = ReadOperands(ctx, ctx.args.subspan(2));
  if (!operands) return;
  auto result = std::make_unique<Set>();
  combine(*operands, [&](std::string_view member) {
    result->Add(member);
    return true;
  });
  const size_t size = result->size();
  if (size == 0) {
    ctx.keys.Delete(ctx.db, ctx.arg(1));
  } else {
    ctx.keys.PutObject(ctx.db, ctx.arg(1), std::move(result));
  }
  ctx.reply.Integer(static_cast<int64_t>(size));
}

}  // namespace

void SInter(CommandContext& ctx) { Reply(ctx, Intersect); }
void SInterStore(CommandContext& ctx) { Store(ctx, Intersect); }
void SUnion(CommandContext& ctx) { Reply(ctx, Unite); }
void SUnionStore(CommandContext& ctx) { Store(ctx, Unite); }
void SDiff(CommandContext& ctx) { Reply(ctx, Subtract); }
void SDiffStore(CommandContext& ctx) { Store(ctx, Subtract); }

void SInterCard(CommandContext& ctx) {
  const auto keys =
      ReadCountedKeys(ctx, 1, "ERR Number of keys can't be greater than number of args");
  if (!keys) return;
  size_t limit = 0;  // None.
  for (size_t i = 2 + keys->size(); i < ctx.args.size(); i += 2) {
    if (!IsWord(ctx.arg(i), "LIMIT") || i + 1 == ctx.args.size()) {
      return ctx.reply.Error(kSyntaxError);
    }
    const auto given = ReadAtLeast(ctx, i + 1, 0, "ERR LIMIT can't be negative");
    if (!given) return;
    limit = static_cast<size_t>(*given);
  }
  const auto operands = ReadOperands(ctx, *keys);
  if (!operands) return;
  size_t count = 0;
  Intersect(*operands, [&](std::string_view) { return ++count != limit; });
  ctx.reply.Integer(static_cast<int64_t>(count));
}

}  // namespace chorale::sets
