// The members of a large sorted set in the order of (score, member bytes), with ranks. Owned by one
// sorted set and guarded by whatever guards that; it does not own the members.
//
// The order is cut into leaves of up to 128 entries, each one array; a slot per leaf repeats the
// leaf's first entry, so that a search compares slots, then entries of one leaf, and touches few
// cache lines: a skip list would touch one per step. The lengths of the leaves are also kept as a
// Fenwick tree, in which a rank is the sum of O(log n) numbers and a leaf is found by rank as
// quickly. When a leaf splits, merges or goes, slots and tree are rebuilt behind it: that is O(n /
// 128), once per 64 changes or more, and costs less than the search up to tens of millions of
// members.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace chorale {

// A member of a sorted set; it is also a node of the table that finds it by its bytes.
struct ScoredMember {
  ScoredMember* next;
  double score;
  uint32_t size;
  bool unsaved_ : 1;
  bool on_disk_ : 1;
  char bytes[];

  std::string_view key() const { return {bytes, size}; }
  size_t Size() const;
  // What of it is on disk; see unsaved.h.
  bool unsaved() const { return unsaved_; }
  void set_unsaved(bool unsaved) { unsaved_ = unsaved; }
  bool on_disk() const { return on_disk_; }
  void set_on_disk(bool on_disk) { on_disk_ = on_disk; }

  static ScoredMember* New(std::string_view member, double score);
  static void Delete(ScoredMember* member);
};

class ScoreIndex {
 public:
  struct Entry {
    double score;  // That of the member, repeated here to compare without following the pointer.
    ScoredMember* member;
  };

  size_t size() const { return size_; }

  // The member must not be in the index yet, and keeps its score while it is there.
  void Insert(ScoredMember* member);
  // The member must be in the index.
  void Erase(const ScoredMember* member);
  size_t Rank(const ScoredMember* member) const;
  ScoredMember* At(size_t rank) const;

  // How many entries `before(entry)` holds for, which holds for none that follows one it does not
  // hold for.
  template <typename Predicate>
  size_t CountBefore(Predicate before) const {
    if (size_ == 0) return 0;
    const Position position = Partition(before);
    return Prefix(position.slot) + position.index;
  }

  // Calls visit(ScoredMember*) for the entries with ranks from begin up to but not including end.
  template <typename Visitor>
  void ForEach(size_t begin, size_t end, Visitor visit) const {
    if (begin >= end) return;
    Position at = Locate(begin);
    for (size_t left = end - begin; left > 0; --left) {
      visit(slots_[at.slot].leaf->entries[at.index].member);
      if (++at.index == slots_[at.slot].count) at = {at.slot + 1, 0};
    }
  }
  // The same from the highest rank to the lowest.
  template <typename Visitor>
  void ForEachReverse(size_t begin, size_t end, Visitor visit) const {
    if (begin >= end) return;
    Position at = Locate(end - 1);
    for (size_t left = end - begin; left > 0; --left) {
      visit(slots_[at.slot].leaf->entries[at.index].member);
      if (at.index-- == 0 && at.slot > 0) {
        --at.slot;
        at.index = slots_[at.slot].count - 1;
      }
    }
  }

  // Takes out the entries with ranks from begin up to but not including end.
  void EraseRange(size_t begin, size_t end);

  size_t MemoryUsage() const;

 private:
  static constexpr uint32_t kLeafEntries = 128;

  struct Leaf {
    Entry entries[kLeafEntries];
  };
  struct Slot {
    Entry first;  // leaf->entries[0]
    std::unique_ptr<Leaf> leaf;
    uint32_t count;  // At least 1.
  };
  struct Position {
    size_t slot;
    uint32_t index;
  };

  static bool Less(const Entry& a, const Entry& b);

  // The position behind the last entry for which before() holds, in the leaf of that entry; the
  // first position when it holds for none. The index is not empty.
  template <typename Predicate>
  Position Partition(Predicate before) const {
    const size_t slot = CountTrue(slots_.size(), [&](size_t i) { return before(slots_[i].first); });
    if (slot == 0) return {0, 0};
    const Entry* entries = slots_[slot - 1].leaf->entries;
    const size_t index =
        CountTrue(slots_[slot - 1].count, [&](size_t i) { return before(entries[i]); });
    return {slot - 1, static_cast<uint32_t>(index)};
  }
  // How many of the indexes below `size`, from 0 on, the test holds for.
  template <typename Test>
  static size_t CountTrue(size_t size, Test test) {
    size_t low = 0;
    while (size > 0) {
      const size_t half = size / 2;
      if (test(low + half)) {
        low += half + 1;
        size -= half + 1;
      } else {
        size = half;
      }
    }
    return low;
  }

  // The position of an entry that is in the index.
  Position Find(const ScoredMember* member) const;
  Position Locate(size_t rank) const;
  // Entries in the leaves before `slot`.
  size_t Prefix(size_t slot) const;

  void InsertInto(Position at, Entry entry);
  // Makes room around a full leaf and returns where the entry belongs now.
  Position Split(Position at);
  // Takes entries out of one leaf. Says whether the leaf went with its last entry.
  bool EraseFrom(size_t slot, uint32_t begin, uint32_t end);
  // Joins a leaf that has become small with a neighbour, if both fit into one with room to spare.
  void MergeAround(size_t slot);
  bool MergeWithNext(size_t slot);

  void AddToCount(size_t slot, int64_t change);
  void RebuildTree();

  std::vector<Slot> slots_;
  std::vector<uint64_t> tree_;  // Fenwick tree over the counts; tree_[i] belongs to slot i.
  size_t size_ = 0;
};

}  // namespace chorale
