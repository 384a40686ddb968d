#include "storage/score_index.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <new>
#include <utility>

namespace chorale {

size_t ScoredMember::Size() const { return offsetof(ScoredMember, bytes) + size; }

ScoredMember* ScoredMember::New(std::string_view member, double score) {
  void* memory = ::operator new(offsetof(ScoredMember, bytes) + member.size());
  auto* node = static_cast<ScoredMember*>(memory);
  node->next = nullptr;
  node->unsaved_ = node->on_disk_ = false;
  node->score = score;
  node->size = static_cast<uint32_t>(member.size());
  if (!member.empty()) std::memcpy(node->bytes, member.data(), member.size());
  return node;
}

void ScoredMember::Delete(ScoredMember* member) { ::operator delete(member); }

bool ScoreIndex::Less(const Entry& a, const Entry& b) {
  if (a.score != b.score) return a.score < b.score;
  return a.member->key() < b.member->key();
}

size_t ScoreIndex::Prefix(size_t slot) const {
  uint64_t sum = 0;
  for (; slot > 0; slot &= slot - 1) sum += tree_[slot - 1];
  return sum;
}

void ScoreIndex::AddToCount(size_t slot, int64_t change) {
  slots_[slot].count = static_cast<uint32_t>(slots_[slot].count + change);
  size_ += static_cast<size_t>(change);
  for (size_t i = slot + 1; i <= tree_.size(); i += i & (~i + 1)) {
    tree_[i - 1] += static_cast<uint64_t>(change);
  }
}

void ScoreIndex::RebuildTree() {
  tree_.assign(slots_.size(), 0);
  for (size_t i = 1; i <= slots_.size(); ++i) {
    tree_[i - 1] += slots_[i - 1].count;
    const size_t parent = i + (i & (~i + 1));
    if (parent <= slots_.size()) tree_[parent - 1] += tree_[i - 1];
  }
}

ScoreIndex::Position ScoreIndex::Locate(size_t rank) const {
  size_t slot = 0;
  for (size_t step = std::bit_floor(tree_.size()); step > 0; step /= 2) {
    if (slot + step <= tree_.size() && tree_[slot + step - 1] <= rank) {
      rank -= tree_[slot + step - 1];
      slot += step;
    }
  }
  return {slot, static_cast<uint32_t>(rank)};
}

ScoreIndex::Position ScoreIndex::Find(const ScoredMember* member) const {
  const Entry sought{member->score, const_cast<ScoredMember*>(member)};
  const Position behind = Partition([&](const Entry& entry) { return !Less(sought, entry); });
  return {behind.slot, behind.index - 1};
}

size_t ScoreIndex::Rank(const ScoredMember* member) const {
  const Position at = Find(member);
  return Prefix(at.slot) + at.index;
}

ScoredMember* ScoreIndex::At(size_t rank) const {
  const Position at = Locate(rank);
  return slots_[at.slot].leaf->entries[at.index].member;
}

void ScoreIndex::Insert(ScoredMember* member) {
  const Entry entry{member->score, member};
  if (slots_.empty()) {
    slots_.push_back({entry, std::make_unique<Leaf>(), 0});
    RebuildTree();
    return InsertInto({0, 0}, entry);
  }
  Position at = Partition([&](const Entry& other) { return Less(other, entry); });
  if (slots_[at.slot].count == kLeafEntries) at = Split(at);
  InsertInto(at, entry);
}

void ScoreIndex::InsertInto(Position at, Entry entry) {
  Slot& slot = slots_[at.slot];
  Entry* place = slot.leaf->entries + at.index;
  std::memmove(place + 1, place, (slot.count - at.index) * sizeof(Entry));
  *place = entry;
  slot.first = slot.leaf->entries[0];
  AddToCount(at.slot, 1);
}

ScoreIndex::Position ScoreIndex::Split(Position at) {
  // Members that arrive in ascending order, as timestamps do, fill each leaf to the brim.
  const bool append = at.slot + 1 == slots_.size() && at.index == kLeafEntries;
  const uint32_t keep = append ? kLeafEntries : kLeafEntries / 2;
  Slot& full = slots_[at.slot];
  Slot upper{{}, std::make_unique<Leaf>(), kLeafEntries - keep};
  std::memcpy(upper.leaf->entries, full.leaf->entries + keep, upper.count * sizeof(Entry));
  upper.first = upper.leaf->entries[0];
  full.count = keep;
  slots_.insert(slots_.begin() + static_cast<ptrdiff_t>(at.slot) + 1, std::move(upper));
  RebuildTree();
  if (at.index > keep || append) return {at.slot + 1, at.index - keep};
  return at;
}

void ScoreIndex::Erase(const ScoredMember* member) {
  const Position at = Find(member);
  if (EraseFrom(at.slot, at.index, at.index + 1)) {
    RebuildTree();
  } else {
    MergeAround(at.slot);
  }
}

bool ScoreIndex::EraseFrom(size_t index, uint32_t begin, uint32_t end) {
  Slot& slot = slots_[index];
  if (end - begin == slot.count) {
    size_ -= slot.count;
    slots_.erase(slots_.begin() + static_cast<ptrdiff_t>(index));
    return true;
  }
  Entry* entries = slot.leaf->entries;
  std::memmove(entries + begin, entries + end, (slot.count - end) * sizeof(Entry));
  slot.first = entries[0];
  AddToCount(index, -static_cast<int64_t>(end - begin));
  return false;
}

void ScoreIndex::EraseRange(size_t begin, size_t end) {
  if (begin >= end) return;
  const Position first = Locate(begin);
  const Position last = Locate(end - 1);
  if (first.slot == last.slot) {
    if (EraseFrom(first.slot, first.index, last.index + 1)) return RebuildTree();
    return MergeAround(first.slot);
  }
  // From the back to the front, so that the slots before stay where they are.
  EraseFrom(last.slot, 0, last.index + 1);
  const auto middle = slots_.begin() + static_cast<ptrdiff_t>(first.slot) + 1;
  const auto middle_end = slots_.begin() + static_cast<ptrdiff_t>(last.slot);
  for (auto slot = middle; slot != middle_end; ++slot) size_ -= slot->count;
  slots_.erase(middle, middle_end);
  RebuildTree();
  const bool gone = EraseFrom(first.slot, first.index, slots_[first.slot].count);
  RebuildTree();
  if (!gone) MergeAround(first.slot);
}

void ScoreIndex::MergeAround(size_t slot) {
  if (slots_[slot].count > kLeafEntries / 4) return;
  if (MergeWithNext(slot) || (slot > 0 && MergeWithNext(slot - 1))) RebuildTree();
}

bool ScoreIndex::MergeWithNext(size_t index) {
  if (index + 1 >= slots_.size()) return false;
  Slot& slot = slots_[index];
  const Slot& next = slots_[index + 1];
  if (slot.count + next.count > kLeafEntries * 3 / 4) return false;
  std::memcpy(slot.leaf->entries + slot.count, next.leaf->entries, next.count * sizeof(Entry));
  slot.count += next.count;
  slots_.erase(slots_.begin() + static_cast<ptrdiff_t>(index) + 1);
  return true;
}

size_t ScoreIndex::MemoryUsage() const {
  return slots_.capacity() * sizeof(Slot) + slots_.size() * sizeof(Leaf) +
         tree_.capacity() * sizeof(uint64_t);
}

}  // namespace chorale
