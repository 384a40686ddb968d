// The sorted set value: members with a score, in the order of (score, member bytes). Few and short
// members are packed ("listpack"); beyond EncodingLimits it becomes a table of nodes for lookup by
// member beside a ScoreIndex for order and rank, and stays one ("skiplist", the name that clients
// know). Owned by one key; not thread-safe, guarded by the shard that holds the key. Views passed
// to visitors end with the call.
//
// Ranges of scores and of member bytes are first turned into ranks, in O(log n); counting,
// limiting, visiting in either direction and removing then work on ranks alone.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "storage/packed_scores.h"
#include "storage/random_sample.h"

namespace chorale {

struct UnsavedParts;

struct ScoreRange {
  double min;
  double max;
  bool min_exclusive = false;
  bool max_exclusive = false;
};

// One end of a range of member bytes: "-", "+", "[value" or "(value".
struct LexBound {
  enum class Kind { kLowest, kHighest, kInclusive, kExclusive };
  Kind kind;
  std::string_view value;
};

struct LexRange {
  LexBound min;
  LexBound max;
};

// Ranks from `begin` up to but not including `end`, counted from the lowest score.
struct RankRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

class SortedSet {
 public:
  using Visitor = absl::FunctionRef<void(std::string_view member, double score)>;

  // The options of ZADD that decide what happens to one member. NX excludes the others.
  struct AddOptions {
    bool only_new = false;       // NX
    bool only_existing = false;  // XX
    bool only_greater = false;   // GT
    bool only_less = false;      // LT
    bool increment = false;      // INCR: the score is added to the present one
  };
  enum class AddOutcome {
    kAdded,
    kUpdated,
    kUnchanged,  // The member has this score already.
    kSkipped,    // An option kept the member from being added or updated.
    kNotANumber  // The increment would give NaN; nothing changed.
  };
  struct AddResult {
    AddOutcome outcome;
    double score;  // The score that the member has now; meaningless when kSkipped or kNotANumber.
  };

  SortedSet();
  SortedSet(SortedSet&&) noexcept;
  SortedSet& operator=(SortedSet&&) noexcept;
  ~SortedSet();
  [[nodiscard]] SortedSet Clone() const;

  size_t size() const;
  std::optional<double> Score(std::string_view member) const;
  // Counted from the lowest score; the reverse rank is size() - 1 - rank.
  std::optional<size_t> Rank(std::string_view member) const;

  // `score` is not NaN.
  AddResult Add(std::string_view member, double score, AddOptions options);
  AddResult Add(std::string_view member, double score) { return Add(member, score, {}); }
  bool Remove(std::string_view member);
  // Takes out the members with these ranks; `range` ends at size() at most. The second form visits
  // each, in ascending order, before it goes.
  void RemoveRange(RankRange range);
  void RemoveRange(RankRange range, Visitor visit);
  // Takes out min(count, size()) members from the low or the high end, visiting each, the outermost
  // first.
  void PopMin(size_t count, Visitor visit);
  void PopMax(size_t count, Visitor visit);

  RankRange Ranks(const ScoreRange& range) const;
  // In a set whose scores differ the result is that of walking up from the lowest member, or down
  // from the highest when `reverse`, as Redis does; with equal scores the direction is of no
  // matter.
  RankRange Ranks(const LexRange& range, bool reverse) const;

  // Visits in ascending order, or descending when `reverse`; `range` ends at size() at most.
  void ForEach(RankRange range, bool reverse, Visitor visit) const;
  void ForEach(Visitor visit) const { ForEach({0, size()}, false, visit); }
  // One SCAN call: visits about `count` members and returns the next cursor, 0 at the end. The
  // packed encoding is visited whole.
  uint64_t Scan(uint64_t cursor, size_t count, Visitor visit) const;
  // Visits one member chosen at random; the set is not empty.
  void VisitRandom(RandomBits random, Visitor visit) const;
  // Visits min(count, size()) different members.
  void VisitSample(size_t count, RandomBits random, Visitor visit) const;

  // Brings what is looked at for members with these hashes into the cache, if it is a table.
  void Prefetch(std::span<const uint64_t> hashes) const;

  // Of a table: which members are not on disk yet. nullptr while packed.
  UnsavedParts* parts() const;
  // Visits the members that are to be written, and takes them for written.
  void CollectParts(Visitor put);
  // Makes it a table, however small it is.
  void BecomeTable() {
    if (table_ == nullptr) Convert();
  }

  // The name that OBJECT ENCODING shows.
  std::string_view encoding() const { return table_ == nullptr ? "listpack" : "skiplist"; }
  // Bytes on the heap, without the object itself.
  size_t MemoryUsage() const;

 private:
  struct Table;

  void Insert(std::string_view member, double score);
  void Convert();
  RankRange PackedRanks(const LexRange& range, bool reverse) const;

  PackedScores packed_;
  std::unique_ptr<Table> table_;  // Null while packed.
};

}  // namespace chorale
