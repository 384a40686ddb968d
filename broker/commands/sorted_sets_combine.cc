#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/commands/arguments.h"
#include "broker/commands/sorted_sets.h"
#include "storage/database.h"
#include "storage/set.h"

namespace chorale::sorted_sets {
namespace {

enum class Operation { kUnion, kIntersection, kDifference };
enum class Aggregate { kSum, kMin, kMax };

// A sorted set, a set whose members all count as 1, or a key that does not exist.
class Operand {
 public:
  Operand() = default;
  explicit Operand(const Entry& entry)
      : sorted_(entry.type() == ValueType::kSortedSet ? &entry.object<SortedSet>() : nullptr),
        plain_(entry.type() == ValueType::kSet ? &entry.object<Set>() : nullptr) {}

  size_t size() const {
    if (sorted_ != nullptr) return sorted_->size();
    return plain_ != nullptr ? plain_->size() : 0;
  }
  std::optional<double> Score(std::string_view member) const {
    if (sorted_ != nullptr) return sorted_->Score(member);
    if (plain_ != nullptr && plain_->Contains(member)) return 1;
    return std::nullopt;
  }
  // The visitor takes member and score, and returns false to stop.
  template <typename Visitor>
  void ForEachWhile(Visitor visit) const {
    bool go_on = true;
    if (sorted_ != nullptr) {
      sorted_->ForEach(
          [&](std::string_view member, double score) { go_on = go_on && visit(member, score); });
    } else if (plain_ != nullptr) {
      plain_->ForEachWhile([&](std::string_view member) { return visit(member, 1.0); });
    }
  }

  double weight = 1;

 private:
  const SortedSet* sorted_ = nullptr;
  const Set* plain_ = nullptr;
};

struct Combination {
  std::vector<Operand> operands;  // in the order of the keys
  Aggregate aggregate = Aggregate::kSum;
  bool with_scores = false;
  size_t limit = 0;  // 0: none
};

// Infinity times 0 and infinities of both signs are NaN, which counts as 0. ZINTER is an exception
// in Redis: there a NaN score of the second and further sets goes into the sum, the minimum or the
// maximum as it is.
double Weighted(double weight, double score) {
  const double product = weight * score;
  return std::isnan(product) ? 0 : product;
}

double Join(Aggregate aggregate, double a, double b) {
  if (aggregate == Aggregate::kMin) return std::min(a, b);
  if (aggregate == Aggregate::kMax) return std::max(a, b);
  const double sum = a + b;
  return std::isnan(sum) ? 0 : sum;
}

// ---- the three operations ----

// Small sets first, which also fixes the order in which scores add up.
std::vector<Operand> BySize(std::vector<Operand> operands) {
  std::stable_sort(operands.begin(), operands.end(),
                   [](const Operand& a, const Operand& b) { return a.size() < b.size(); });
  return operands;
}

void Unite(const Combination& combination, SortedSet* result) {
  StringMap<double> scores;
  for (const Operand& operand : BySize(combination.operands)) {
    operand.ForEachWhile([&](std::string_view member, double score) {
      const double weighted = Weighted(operand.weight, score);
      const auto [present, added] = scores.try_emplace(member, weighted);
      if (!added) present->second = Join(combination.aggregate, present->second, weighted);
      return true;
    });
  }
  for (const auto& [member, score] : scores) result->Add(member, score);
}

// Visits member and score until the visitor returns false.
template <typename Visitor>
void Intersect(const Combination& combination, Visitor visit) {
  const std::vector<Operand> operands = BySize(combination.operands);
  operands[0].ForEachWhile([&](std::string_view member, double first) {
    double total = Weighted(operands[0].weight, first);
    for (size_t i = 1; i < operands.size(); ++i) {
      const auto score = operands[i].Score(member);
      if (!score) return true;
      total = Join(combination.aggregate, total, operands[i].weight * *score);
    }
    return visit(member, total);
  });
}

void Subtract(const Combination& combination, SortedSet* result) {
  const auto& operands = combination.operands;
  operands[0].ForEachWhile([&](std::string_view member, double score) {
    const bool elsewhere =
        std::any_of(operands.begin() + 1, operands.end(),
                    [&](const Operand& operand) { return operand.Score(member).has_value(); });
    if (!elsewhere) result->Add(member, score);
    return true;
  });
}

SortedSet Combine(Operation operation, const Combination& combination) {
  SortedSet result;
  if (operation == Operation::kUnion) {
    Unite(combination, &result);
  } else if (operation == Operation::kDifference) {
    Subtract(combination, &result);
  } else {
    Intersect(combination, [&](std::string_view member, double score) {
      result.Add(member, score);
      return true;
    });
  }
  return result;
}

// ---- arguments ----

bool ReadOperands(CommandContext& ctx, size_t index, std::vector<Operand>* operands) {
  const auto count = ReadInteger(ctx, index);
  if (!count) return false;
  if (*count < 1) {
    ctx.reply.Error("ERR at least 1 input key is needed for '" + std::string(ctx.command.name) +
                    "' command");
    return false;
  }
  if (static_cast<uint64_t>(*count) > ctx.args.size() - index - 1) {
    ctx.reply.Error(kSyntaxError);
    return false;
  }
  for (const std::string_view key : ctx.args.subspan(index + 1, static_cast<size_t>(*count))) {
    const Entry* entry = ctx.keys.Lookup(ctx.db, key);
    if (entry == nullptr) {
      operands->emplace_back();
    } else if (entry->type() == ValueType::kSortedSet || entry->type() == ValueType::kSet) {
      operands->emplace_back(*entry);
    } else {
      ctx.reply.Error(kWrongType);
      return false;
    }
  }
  return true;
}

bool ReadWeights(CommandContext& ctx, size_t index, std::vector<Operand>* operands) {
  for (Operand& operand : *operands) {
    const auto weight = ReadDouble(ctx, index++, "ERR weight value is not a float");
    if (!weight) return false;
    operand.weight = *weight;
  }
  return true;
}

bool ReadAggregate(CommandContext& ctx, size_t index, Aggregate* aggregate) {
  if (IsWord(ctx.arg(index), "SUM")) {
    *aggregate = Aggregate::kSum;
  } else if (IsWord(ctx.arg(index), "MIN")) {
    *aggregate = Aggregate::kMin;
  } else if (IsWord(ctx.arg(index), "MAX")) {
    *aggregate = Aggregate::kMax;
  } else {
    ctx.reply.Error(kSyntaxError);
    return false;
  }
  return true;
}

// Which options a command takes.
struct Accepts {
  bool weights = false;  // and AGGREGATE
  bool with_scores = false;
  bool limit = false;
};

std::optional<Combination> ReadCombination(CommandContext& ctx, size_t index, Accepts accepts) {
  Combination result;
  if (!ReadOperands(ctx, index, &result.operands)) return std::nullopt;
  size_t next = index + 1 + result.operands.size();
  while (next < ctx.args.size()) {
    const std::string_view word = ctx.arg(next++);
    const size_t left = ctx.args.size() - next;
    if (accepts.weights && left >= result.operands.size() && IsWord(word, "WEIGHTS")) {
      if (!ReadWeights(ctx, next, &result.operands)) return std::nullopt;
      next += result.operands.size();
    } else if (accepts.weights && left >= 1 && IsWord(word, "AGGREGATE")) {
      if (!ReadAggregate(ctx, next++, &result.aggregate)) return std::nullopt;
    } else if (accepts.with_scores && IsWord(word, "WITHSCORES")) {
      result.with_scores = true;
    } else if (accepts.limit && left >= 1 && IsWord(word, "LIMIT")) {
      const auto limit = ReadAtLeast(ctx, next++, 0, "ERR LIMIT can't be negative");
      if (!limit) return std::nullopt;
      result.limit = static_cast<size_t>(*limit);
    } else {
      ctx.reply.Error(kSyntaxError);
      return std::nullopt;
    }
  }
  return result;
}

void Reply(CommandContext& ctx, Operation operation) {
  const bool weights = operation != Operation::kDifference;
  const auto combination = ReadCombination(ctx, 1, {.weights = weights, .with_scores = true});
  if (!combination) return;
  const SortedSet result = Combine(operation, *combination);
  WriteMembersHeader(ctx.reply, result.size(), combination->with_scores);
  result.ForEach([&](std::string_view member, double score) {
    WriteMember(ctx.reply, member, score, combination->with_scores);
  });
}

void Store(CommandContext& ctx, Operation operation) {
  const bool weights = operation != Operation::kDifference;
  const auto combination = ReadCombination(ctx, 2, {.weights = weights});
  if (!combination) return;
  auto result = std::make_unique<SortedSet>(Combine(operation, *combination));
  const size_t size = result->size();
  if (size == 0) {
    ctx.keys.Delete(ctx.db, ctx.arg(1));
  } else {
    ctx.keys.PutObject(ctx.db, ctx.arg(1), std::move(result));
  }
  ctx.reply.Integer(static_cast<int64_t>(size));
}

}  // namespace

void ZUnion(CommandContext& ctx) { Reply(ctx, Operation::kUnion); }
void ZUnionStore(CommandContext& ctx) { Store(ctx, Operation::kUnion); }
void ZInter(CommandContext& ctx) { Reply(ctx, Operation::kIntersection); }
void ZInterStore(CommandContext& ctx) { Store(ctx, Operation::kIntersection); }
void ZDiff(CommandContext& ctx) { Reply(ctx, Operation::kDifference); }
void ZDiffStore(CommandContext& ctx) { Store(ctx, Operation::kDifference); }

void ZInterCard(CommandContext& ctx) {
  const auto combination = ReadCombination(ctx, 1, {.limit = true});
  if (!combination) return;
  size_t count = 0;
  Intersect(*combination, [&](std::string_view, double) { return ++count != combination->limit; });
  ctx.reply.Integer(static_cast<int64_t>(count));
}

}  // namespace chorale::sorted_sets
