#include "storage/list.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "storage/encoding_limits.h"
#include "storage/list_block.h"
#include "storage/unsaved.h"

namespace chorale {

using list_block::EntryAt;
using list_block::EntrySize;
using list_block::EntrySizeBefore;
using list_block::kBlockBytes;
using list_block::kBlockHeader;
using list_block::kFirstBlockBytes;
using list_block::WriteEntry;

namespace {

struct ListpackLimit {
  size_t bytes;
  size_t count;
};

ListpackLimit CurrentLimit() {
  const int64_t limit = g_encoding_limits.list_max_listpack_size.load(std::memory_order_relaxed);
  if (limit >= 0) return {8192, std::max<size_t>(1, static_cast<size_t>(limit))};
  return {size_t{2048} << std::min<int64_t>(-limit, 5), std::numeric_limits<size_t>::max()};
}

// What a listpack takes beyond its entries.
constexpr size_t kListpackOverhead = 7;

}  // namespace

List::List() = default;

List::List(List&& other) noexcept
    : head_(std::exchange(other.head_, nullptr)),
      tail_(std::exchange(other.tail_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      bytes_(std::exchange(other.bytes_, 0)),
      allocated_(std::exchange(other.allocated_, 0)),
      quicklist_(std::exchange(other.quicklist_, false)),
      parts_(std::move(other.parts_)) {}

List& List::operator=(List&& other) noexcept {
  std::swap(head_, other.head_);
  std::swap(tail_, other.tail_);
  std::swap(size_, other.size_);
  std::swap(bytes_, other.bytes_);
  std::swap(allocated_, other.allocated_);
  std::swap(quicklist_, other.quicklist_);
  std::swap(parts_, other.parts_);
  return *this;
}

List::~List() { Clear(); }

List List::Clone() const {
  List clone;
  ForEach(0, size_, [&](std::string_view element) { clone.PushBack(element); });
  clone.quicklist_ = quicklist_;
  return clone;
}

void List::Clear() {
  while (head_ != nullptr) Free(head_);
  size_ = bytes_ = 0;
}

// Blocks.

List::Block* List::NewBlock(size_t capacity, Block* previous, Block* next) {
  Block* block = AllocateBlock(capacity, previous, next);
  if (parts_ != nullptr) {
    GiveOrder(block);
    MarkUnsaved(block);
  } else if (g_persistent && head_ != tail_) {
    parts_ = std::make_unique<UnsavedBlocks>();
    Renumber();
  }
  return block;
}

List::Block* List::AllocateBlock(size_t capacity, Block* previous, Block* next) {
  static_assert(offsetof(Block, bytes) == kBlockHeader);
  auto* block = static_cast<Block*>(::operator new(kBlockHeader + capacity));
  block->previous = previous;
  block->next = next;
  block->capacity = static_cast<uint32_t>(capacity);
  block->unsaved = block->on_disk = 0;
  block->begin = block->end = 0;
  block->count = 0;
  block->order = 0;
  allocated_ += kBlockHeader + capacity;
  Link(block);
  return block;
}

void List::Link(Block* block) {
  (block->previous == nullptr ? head_ : block->previous->next) = block;
  (block->next == nullptr ? tail_ : block->next->previous) = block;
}

void List::Unlink(Block* block) {
  (block->previous == nullptr ? head_ : block->previous->next) = block->next;
  (block->next == nullptr ? tail_ : block->next->previous) = block->previous;
}

void List::Free(Block* block) {
  if (parts_ != nullptr && block->on_disk != 0) parts_->removed.push_back(block->order);
  if (block->unsaved != 0) parts_->changed.erase(block);
  Unlink(block);
  allocated_ -= kBlockHeader + block->capacity;
  ::operator delete(block);
}

List::Block* List::Regrow(Block* block, size_t capacity, size_t begin) {
  Block* grown = AllocateBlock(capacity, block->previous, block->next);
  grown->unsaved = block->unsaved;
  if (grown->unsaved != 0) {
    parts_->bytes.Add(capacity - block->capacity);
    parts_->changed.erase(block);
    parts_->changed.insert(grown);
  }
  grown->on_disk = block->on_disk;
  grown->order = block->order;
  grown->begin = static_cast<uint32_t>(begin);
  grown->end = grown->begin + block->used();
  grown->count = block->count;
  std::memcpy(grown->bytes + grown->begin, block->bytes + block->begin, block->used());
  allocated_ -= kBlockHeader + block->capacity;
  ::operator delete(block);
  return grown;
}

void List::SlideTo(Block* block, uint32_t begin) {
  const uint32_t used = block->used();
  std::memmove(block->bytes + begin, block->bytes + block->begin, used);
  block->begin = begin;
  block->end = begin + used;
}

uint32_t List::GrownCapacity(const Block* block, uint32_t need) {
  const uint32_t capacity = block->capacity;
  const uint32_t least = std::max(capacity + capacity / 2, block->used() + need);
  return std::min((least + 15) & ~uint32_t{15}, kBlockBytes);
}

List::Block* List::RoomAtFront(uint32_t need) {
  Block* block = head_;
  if (block == nullptr) {
    block = NewBlock(std::max(need, kFirstBlockBytes), nullptr, nullptr);
    block->begin = block->end = block->capacity;
    return block;
  }
  if (block->begin >= need) return block;
  const uint32_t used = block->used();
  if (used + need <= block->capacity && used <= block->capacity / 2) {
    SlideTo(block, need + (block->capacity - used - need) / 4 * 3);
    return block;
  }
  if (used + need <= kBlockBytes && block->capacity < kBlockBytes) {
    const uint32_t capacity = GrownCapacity(block, need);
    return Regrow(block, capacity, capacity - used);
  }
  block = NewBlock(std::max(need, kBlockBytes), nullptr, head_);
  block->begin = block->end = block->capacity;
  return block;
}

List::Block* List::RoomAtBack(uint32_t need) {
  Block* block = tail_;
  if (block == nullptr) return NewBlock(std::max(need, kFirstBlockBytes), nullptr, nullptr);
  if (block->capacity - block->end >= need) return block;
  const uint32_t used = block->used();
  if (used + need <= block->capacity && used <= block->capacity / 2) {
    SlideTo(block, (block->capacity - used - need) / 4);
    return block;
  }
  if (used + need <= kBlockBytes && block->capacity < kBlockBytes) {
    return Regrow(block, GrownCapacity(block, need), 0);
  }
  return NewBlock(std::max(need, kBlockBytes), tail_, nullptr);
}

// The two ends.

void List::PushFront(std::string_view element) {
  const uint32_t need = EntrySize(element.size());
  Block* block = RoomAtFront(need);
  block->begin -= need;
  WriteEntry(block->bytes + block->begin, element);
  Added(block, need);
}

void List::PushBack(std::string_view element) {
  const uint32_t need = EntrySize(element.size());
  Block* block = RoomAtBack(need);
  WriteEntry(block->bytes + block->end, element);
  block->end += need;
  Added(block, need);
}

void List::Added(Block* block, uint32_t bytes) {
  MarkUnsaved(block);
  ++block->count;
  ++size_;
  bytes_ += bytes;
  if (quicklist_) return;
  const ListpackLimit limit = CurrentLimit();
  quicklist_ = size_ > limit.count || kListpackOverhead + bytes_ > limit.bytes;
}

void List::Shrunk() {
  if (!quicklist_ || head_ != tail_) return;
  // At half of the limit, so that a list near it does not change to and fro.
  const ListpackLimit limit = CurrentLimit();
  quicklist_ = size_ > limit.count / 2 || kListpackOverhead + bytes_ > limit.bytes / 2;
}

std::string_view List::Front() const { return EntryAt(head_->bytes + head_->begin); }

std::string_view List::Back() const {
  const char* end = tail_->bytes + tail_->end;
  return EntryAt(end - EntrySizeBefore(end));
}

void List::PopFront() {
  DropFront(1);
  Shrunk();
}

void List::PopBack() {
  DropBack(1);
  Shrunk();
}

void List::DropFront(size_t count) {
  size_ -= count;
  while (count > 0 && head_->count <= count) {
    count -= head_->count;
    bytes_ -= head_->used();
    Free(head_);
  }
  if (count > 0) MarkUnsaved(head_);
  for (; count > 0; --count) {
    const uint32_t size = EntrySize(EntryAt(head_->bytes + head_->begin).size());
    head_->begin += size;
    --head_->count;
    bytes_ -= size;
  }
}

void List::DropBack(size_t count) {
  size_ -= count;
  while (count > 0 && tail_->count <= count) {
    count -= tail_->count;
    bytes_ -= tail_->used();
    Free(tail_);
  }
  if (count > 0) MarkUnsaved(tail_);
  for (; count > 0; --count) {
    const uint32_t size = EntrySizeBefore(tail_->bytes + tail_->end);
    tail_->end -= size;
    --tail_->count;
    bytes_ -= size;
  }
}

void List::Trim(size_t begin, size_t end) {
  if (begin >= end) {
    Clear();
  } else {
    DropBack(size_ - end);
    DropFront(begin);
  }
  Shrunk();
}

// Walking.

List::Position List::Locate(size_t index) const {
  if (index < size_ / 2) {
    Block* block = head_;
    for (; index >= block->count; block = block->next) index -= block->count;
    uint32_t offset = block->begin;
    for (; index > 0; --index) offset += EntrySize(EntryAt(block->bytes + offset).size());
    return {block, offset};
  }
  size_t from_back = size_ - index;  // At least 1.
  Block* block = tail_;
  for (; from_back > block->count; block = block->previous) from_back -= block->count;
  uint32_t offset = block->end;
  for (; from_back > 0; --from_back) offset -= EntrySizeBefore(block->bytes + offset);
  return {block, offset};
}

std::string_view List::At(size_t index) const {
  const Position at = Locate(index);
  return EntryAt(at.block->bytes + at.offset);
}

void List::ForEach(size_t begin, size_t end, Visitor visit) const {
  if (begin >= end) return;
  Position at = Locate(begin);
  for (size_t left = end - begin; left > 0; --left) {
    if (at.offset == at.block->end) at = {at.block->next, at.block->next->begin};
    const std::string_view element = EntryAt(at.block->bytes + at.offset);
    at.offset += EntrySize(element.size());
    visit(element);
  }
}

void List::Search(std::string_view element, bool from_back, size_t max_length,
                  IndexVisitor visit) const {
  const size_t length = std::min(max_length, size_);
  if (length == 0) return;
  Block* block = from_back ? tail_ : head_;
  uint32_t offset = from_back ? block->end : block->begin;
  for (size_t steps = 0; steps < length; ++steps) {
    if (from_back) {
      if (offset == block->begin) {
        block = block->previous;
        offset = block->end;
      }
      offset -= EntrySizeBefore(block->bytes + offset);
    } else if (offset == block->end) {
      block = block->next;
      offset = block->begin;
    }
    const std::string_view found = EntryAt(block->bytes + offset);
    if (!from_back) offset += EntrySize(found.size());
    if (found == element && !visit(from_back ? size_ - 1 - steps : steps)) return;
  }
}

List::Position List::Find(std::string_view element) const {
  for (Block* block = head_; block != nullptr; block = block->next) {
    for (uint32_t offset = block->begin; offset != block->end;) {
      const std::string_view found = EntryAt(block->bytes + offset);
      if (found == element) return {block, offset};
      offset += EntrySize(found.size());
    }
  }
  return {nullptr, 0};
}

}  // namespace chorale
