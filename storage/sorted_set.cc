#include "storage/sorted_set.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "storage/encoding_limits.h"
#include "storage/hash_table.h"
#include "storage/key_hash.h"
#include "storage/score_index.h"
#include "storage/unsaved.h"

namespace chorale {
namespace {

bool BelowMin(double score, const ScoreRange& range) {
  return score < range.min || (range.min_exclusive && score == range.min);
}
bool WithinMax(double score, const ScoreRange& range) {
  return score < range.max || (!range.max_exclusive && score == range.max);
}

// Whether `member` lies before the place that the bound marks when it begins a range.
bool BelowMin(std::string_view member, const LexBound& min) {
  switch (min.kind) {
    case LexBound::Kind::kLowest:
      return false;
    case LexBound::Kind::kHighest:
      return true;
    case LexBound::Kind::kInclusive:
      return member < min.value;
    case LexBound::Kind::kExclusive:
      return member <= min.value;
  }
  return false;
}
// Whether `member` lies before the place that the bound marks when it ends a range.
bool WithinMax(std::string_view member, const LexBound& max) {
  switch (max.kind) {
    case LexBound::Kind::kLowest:
      return false;
    case LexBound::Kind::kHighest:
      return true;
    case LexBound::Kind::kInclusive:
      return member <= max.value;
    case LexBound::Kind::kExclusive:
      return member < max.value;
  }
  return false;
}

}  // namespace

struct SortedSet::Table {
  ~Table() { nodes.Drain(ScoredMember::Delete); }

  void Insert(std::string_view member, double score) {
    ScoredMember* node = ScoredMember::New(member, score);
    node_bytes += node->Size();
    const uint64_t hash = HashKey(member);
    nodes.Insert(node, hash);
    index.Insert(node);
    if (parts != nullptr) parts->Added(*node, hash);
  }

  // Frees a node that has left the index.
  void Free(ScoredMember* node) {
    if (parts != nullptr) parts->Removed(nodes, *node);
    node_bytes -= node->Size();
    ScoredMember::Delete(nodes.Remove(node->key()));
  }

  HashTable<ScoredMember> nodes;
  ScoreIndex index;
  size_t node_bytes = 0;
  std::unique_ptr<UnsavedParts> parts = UnsavedParts::NewIfPersistent();
};

SortedSet::SortedSet() = default;
SortedSet::SortedSet(SortedSet&&) noexcept = default;
SortedSet& SortedSet::operator=(SortedSet&&) noexcept = default;
SortedSet::~SortedSet() = default;

SortedSet SortedSet::Clone() const {
  SortedSet clone;
  clone.packed_ = packed_;
  if (table_ != nullptr) {
    clone.table_ = std::make_unique<Table>();
    ForEach([&](std::string_view member, double score) { clone.table_->Insert(member, score); });
  }
  return clone;
}

void SortedSet::Prefetch(std::span<const uint64_t> hashes) const {
  if (table_ != nullptr) table_->nodes.Prefetch(hashes);
}

UnsavedParts* SortedSet::parts() const { return table_ == nullptr ? nullptr : table_->parts.get(); }

void SortedSet::CollectParts(Visitor put) {
  table_->parts->Collect(table_->nodes,
                         [&](const ScoredMember& node) { put(node.key(), node.score); });
}

size_t SortedSet::size() const { return table_ != nullptr ? table_->nodes.size() : packed_.size(); }

std::optional<double> SortedSet::Score(std::string_view member) const {
  if (table_ != nullptr) {
    const ScoredMember* node = table_->nodes.Find(member);
    return node == nullptr ? std::nullopt : std::optional(node->score);
  }
  const auto found = packed_.Find(member);
  return found.has_value() ? std::optional(found->entry.score) : std::nullopt;
}

std::optional<size_t> SortedSet::Rank(std::string_view member) const {
  if (table_ != nullptr) {
    const ScoredMember* node = table_->nodes.Find(member);
    return node == nullptr ? std::nullopt : std::optional(table_->index.Rank(node));
  }
  const auto found = packed_.Find(member);
  return found.has_value() ? std::optional(found->rank) : std::nullopt;
}

SortedSet::AddResult SortedSet::Add(std::string_view member, double score, AddOptions options) {
  ScoredMember* node = nullptr;
  std::optional<PackedScores::Found> found;
  if (table_ != nullptr) {
    node = table_->nodes.Find(member);
  } else {
    found = packed_.Find(member);
  }
  if (node == nullptr && !found.has_value()) {
    if (options.only_existing) return {AddOutcome::kSkipped, 0};
    Insert(member, score);
    return {AddOutcome::kAdded, score};
  }
  if (options.only_new) return {AddOutcome::kSkipped, 0};
  const double present = node != nullptr ? node->score : found->entry.score;
  if (options.increment) score += present;
  if (std::isnan(score)) return {AddOutcome::kNotANumber, 0};
  if ((options.only_greater && score <= present) || (options.only_less && score >= present)) {
    return {AddOutcome::kSkipped, 0};
  }
  if (score == present) return {AddOutcome::kUnchanged, present};
  if (node != nullptr) {
    table_->index.Erase(node);
    node->score = score;
    table_->index.Insert(node);
    if (table_->parts != nullptr) table_->parts->Changed(*node, HashKey(member));
  } else {
    packed_.Erase(found->position, found->entry.next, 1);
    packed_.Insert(member, score);
  }
  return {AddOutcome::kUpdated, score};
}

void SortedSet::Insert(std::string_view member, double score) {
  const EncodingLimits& limits = g_encoding_limits;
  if (table_ == nullptr &&
      (packed_.size() >= limits.zset_max_listpack_entries.load(std::memory_order_relaxed) ||
       member.size() > limits.zset_max_listpack_value.load(std::memory_order_relaxed))) {
    Convert();
  }
  if (table_ != nullptr) {
    table_->Insert(member, score);
  } else {
    packed_.Insert(member, score);
  }
}

void SortedSet::Convert() {
  auto table = std::make_unique<Table>();
  ForEach([&](std::string_view member, double score) { table->Insert(member, score); });
  table_ = std::move(table);
  packed_ = PackedScores();
}

bool SortedSet::Remove(std::string_view member) {
  if (table_ != nullptr) {
    ScoredMember* node = table_->nodes.Find(member);
    if (node == nullptr) return false;
    table_->index.Erase(node);
    table_->Free(node);
    return true;
  }
  const auto found = packed_.Find(member);
  if (!found.has_value()) return false;
  packed_.Erase(found->position, found->entry.next, 1);
  return true;
}

void SortedSet::RemoveRange(RankRange range) {
  RemoveRange(range, [](std::string_view, double) {});
}

void SortedSet::RemoveRange(RankRange range, Visitor visit) {
  if (range.begin >= range.end) return;
  if (table_ == nullptr) {
    const size_t begin = packed_.Locate(range.begin);
    size_t end = begin;
    for (size_t left = range.size(); left > 0; --left) {
      const auto entry = packed_.At(end);
      visit(entry.member, entry.score);
      end = entry.next;
    }
    packed_.Erase(begin, end, range.size());
    return;
  }
  absl::InlinedVector<ScoredMember*, 16> nodes;
  nodes.reserve(range.size());
  table_->index.ForEach(range.begin, range.end, [&](ScoredMember* node) { nodes.push_back(node); });
  table_->index.EraseRange(range.begin, range.end);
  for (ScoredMember* node : nodes) {
    visit(node->key(), node->score);
    table_->Free(node);
  }
}

void SortedSet::PopMin(size_t count, Visitor visit) {
  RemoveRange({0, std::min(count, size())}, visit);
}

void SortedSet::PopMax(size_t count, Visitor visit) {
  const RankRange range{size() - std::min(count, size()), size()};
  ForEach(range, true, visit);
  RemoveRange(range);
}

RankRange SortedSet::Ranks(const ScoreRange& range) const {
  RankRange ranks;
  if (table_ != nullptr) {
    using Entry = ScoreIndex::Entry;
    ranks.begin =
        table_->index.CountBefore([&](const Entry& entry) { return BelowMin(entry.score, range); });
    ranks.end = table_->index.CountBefore(
        [&](const Entry& entry) { return WithinMax(entry.score, range); });
  } else {
    for (size_t position = 0; position != packed_.End();) {
      const auto entry = packed_.At(position);
      if (!WithinMax(entry.score, range)) break;
      if (BelowMin(entry.score, range)) ++ranks.begin;
      ++ranks.end;
      position = entry.next;
    }
  }
  ranks.end = std::max(ranks.begin, ranks.end);
  return ranks;
}

RankRange SortedSet::Ranks(const LexRange& range, bool reverse) const {
  if (table_ == nullptr) return PackedRanks(range, reverse);
  using Entry = ScoreIndex::Entry;
  RankRange ranks;
  ranks.begin = table_->index.CountBefore(
      [&](const Entry& entry) { return BelowMin(entry.member->key(), range.min); });
  ranks.end = table_->index.CountBefore(
      [&](const Entry& entry) { return WithinMax(entry.member->key(), range.max); });
  ranks.end = std::max(ranks.begin, ranks.end);
  return ranks;
}

RankRange SortedSet::PackedRanks(const LexRange& range, bool reverse) const {
  absl::InlinedVector<std::string_view, 128> members;
  ForEach([&](std::string_view member, double) { members.push_back(member); });
  if (members.empty() || BelowMin(members.back(), range.min) ||
      !WithinMax(members.front(), range.max)) {
    return {};
  }
  RankRange ranks;
  if (reverse) {
    ranks.end = members.size();
    while (ranks.end > 0 && !WithinMax(members[ranks.end - 1], range.max)) --ranks.end;
    ranks.begin = ranks.end;
    while (ranks.begin > 0 && !BelowMin(members[ranks.begin - 1], range.min)) --ranks.begin;
  } else {
    while (ranks.begin < members.size() && BelowMin(members[ranks.begin], range.min)) ++ranks.begin;
    ranks.end = ranks.begin;
    while (ranks.end < members.size() && WithinMax(members[ranks.end], range.max)) ++ranks.end;
  }
  return ranks;
}

void SortedSet::ForEach(RankRange range, bool reverse, Visitor visit) const {
  if (range.begin >= range.end) return;
  if (table_ != nullptr) {
    const auto show = [&](const ScoredMember* node) { visit(node->key(), node->score); };
    if (reverse) {
      table_->index.ForEachReverse(range.begin, range.end, show);
    } else {
      table_->index.ForEach(range.begin, range.end, show);
    }
    return;
  }
  size_t position = packed_.Locate(range.begin);
  absl::InlinedVector<PackedScores::Entry, 128> backwards;
  for (size_t left = range.size(); left > 0; --left) {
    const auto entry = packed_.At(position);
    position = entry.next;
    if (reverse) {
      backwards.push_back(entry);
    } else {
      visit(entry.member, entry.score);
    }
  }
  for (; !backwards.empty(); backwards.pop_back()) {
    visit(backwards.back().member, backwards.back().score);
  }
}

uint64_t SortedSet::Scan(uint64_t cursor, size_t count, Visitor visit) const {
  if (table_ != nullptr) {
    return ScanNodes(table_->nodes, cursor, count,
                     [&](const ScoredMember* node) { visit(node->key(), node->score); });
  }
  ForEach(visit);
  return 0;
}

void SortedSet::VisitRandom(RandomBits random, Visitor visit) const {
  const size_t rank = random() % size();
  ForEach({rank, rank + 1}, false, visit);
}

void SortedSet::VisitSample(size_t count, RandomBits random, Visitor visit) const {
  if (count >= size()) return ForEach(visit);
  if (table_ != nullptr) {
    for (const ScoredMember* node : SampleNodes(table_->nodes, count, random)) {
      visit(node->key(), node->score);
    }
    return;
  }
  std::vector<PackedScores::Entry> all;
  for (size_t position = 0; position != packed_.End();) {
    all.push_back(packed_.At(position));
    position = all.back().next;
  }
  for (const size_t index : SampleIndexes(all.size(), count, random)) {
    visit(all[index].member, all[index].score);
  }
}

size_t SortedSet::MemoryUsage() const {
  if (table_ == nullptr) return packed_.MemoryUsage();
  return sizeof(Table) + table_->nodes.MemoryUsage() + table_->index.MemoryUsage() +
         table_->node_bytes;
}

}  // namespace chorale
