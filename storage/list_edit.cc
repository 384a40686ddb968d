// The operations that change a List other than at its ends.

#include <algorithm>
#include <cstring>
#include <limits>

#include "storage/list.h"
#include "storage/list_block.h"

namespace chorale {

using list_block::EntryAt;
using list_block::EntrySize;
using list_block::EntrySizeBefore;
using list_block::kBlockBytes;
using list_block::kFirstBlockBytes;
using list_block::WriteEntry;

void List::Set(size_t index, std::string_view element) {
  const Position at = Locate(index);
  MarkUnsaved(at.block);
  if (EntryAt(at.block->bytes + at.offset).size() == element.size()) {
    return WriteEntry(at.block->bytes + at.offset, element);
  }
  Position place = EraseEntry(at);
  if (place.block->count == 0) {
    // A block that held one element was made to its measure.
    const uint32_t capacity = std::max(EntrySize(element.size()), kFirstBlockBytes);
    Block* fresh = NewBlock(capacity, place.block, place.block->next);
    Free(place.block);
    place = {fresh, fresh->begin};
  }
  InsertAt(place, element);
}

bool List::InsertBefore(std::string_view pivot, std::string_view element) {
  const Position at = Find(pivot);
  if (at.block == nullptr) return false;
  InsertAt(at, element);
  return true;
}

bool List::InsertAfter(std::string_view pivot, std::string_view element) {
  const Position at = Find(pivot);
  if (at.block == nullptr) return false;
  InsertAt({at.block, at.offset + EntrySize(pivot.size())}, element);
  return true;
}

void List::InsertAt(Position at, std::string_view element) {
  const uint32_t need = EntrySize(element.size());
  auto [block, offset] = at;
  if (block->used() + need > std::max(block->capacity, kBlockBytes)) {
    return InsertBeside(at, element);
  }
  if (block->used() + need > block->capacity) {
    const uint32_t relative = offset - block->begin;
    block = Regrow(block, GrownCapacity(block, need), 0);
    offset = relative;
  }
  if (block->capacity - block->end < need) {
    offset -= block->begin;
    SlideTo(block, 0);
  }
  char* place = block->bytes + offset;
  std::memmove(place + need, place, block->end - offset);
  block->end += need;
  WriteEntry(place, element);
  Added(block, need);
}

void List::InsertBeside(Position at, std::string_view element) {
  const uint32_t need = EntrySize(element.size());
  auto [block, offset] = at;
  const auto has_room = [need](const Block* b) {
    return b != nullptr && b->used() + need <= kBlockBytes;
  };
  if (offset != block->begin && offset != block->end) {
    Split(at);
    if (has_room(block)) return InsertAt({block, block->end}, element);
  }
  const bool behind = offset != block->begin;
  Block* neighbour = behind ? block->next : block->previous;
  if (has_room(neighbour)) {
    return InsertAt({neighbour, behind ? neighbour->begin : neighbour->end}, element);
  }
  const uint32_t capacity = std::max(need, kBlockBytes);
  Block* fresh =
      behind ? NewBlock(capacity, block, block->next) : NewBlock(capacity, block->previous, block);
  InsertAt({fresh, fresh->begin}, element);
}

void List::Split(Position at) {
  auto [block, offset] = at;
  MarkUnsaved(block);
  const uint32_t moved = block->end - offset;
  Block* upper = NewBlock(std::max(moved, kBlockBytes), block, block->next);
  std::memcpy(upper->bytes, block->bytes + offset, moved);
  upper->end = moved;
  for (uint32_t i = 0; i != moved; i += EntrySize(EntryAt(upper->bytes + i).size())) {
    ++upper->count;
  }
  block->end = offset;
  block->count -= upper->count;
}

List::Position List::EraseEntry(Position at) {
  auto [block, offset] = at;
  MarkUnsaved(block);
  const uint32_t size = EntrySize(EntryAt(block->bytes + offset).size());
  --block->count;
  --size_;
  bytes_ -= size;
  const uint32_t before = offset - block->begin;
  const uint32_t after = block->end - offset - size;
  if (before < after) {
    std::memmove(block->bytes + block->begin + size, block->bytes + block->begin, before);
    block->begin += size;
    return {block, offset + size};
  }
  std::memmove(block->bytes + offset, block->bytes + offset + size, after);
  block->end -= size;
  return at;
}

void List::Tidy(Block* block) {
  if (block->count == 0) return Free(block);
  Block* previous = block->previous;
  if (previous == nullptr || previous->used() + block->used() > kBlockBytes / 2 ||
      previous->used() + block->used() > previous->capacity) {
    return;
  }
  MarkUnsaved(previous);
  if (previous->capacity - previous->end < block->used()) SlideTo(previous, 0);
  std::memcpy(previous->bytes + previous->end, block->bytes + block->begin, block->used());
  previous->end += block->used();
  previous->count += block->count;
  Free(block);
}

size_t List::Remove(int64_t count, std::string_view element) {
  const uint64_t limit = count == 0  ? std::numeric_limits<uint64_t>::max()
                         : count < 0 ? uint64_t{0} - static_cast<uint64_t>(count)
                                     : static_cast<uint64_t>(count);
  size_t removed = 0;
  for (Block* block = count < 0 ? tail_ : head_; block != nullptr && removed < limit;) {
    Block* neighbour = count < 0 ? block->previous : block->next;
    const size_t here = count < 0 ? RemoveFromBack(block, limit - removed, element)
                                  : RemoveFromFront(block, limit - removed, element);
    removed += here;
    if (here > 0) Tidy(block);
    block = neighbour;
  }
  Shrunk();
  return removed;
}

size_t List::RemoveFromFront(Block* block, size_t limit, std::string_view element) {
  size_t removed = 0;
  for (uint32_t offset = block->begin; offset != block->end && removed < limit;) {
    const std::string_view found = EntryAt(block->bytes + offset);
    if (found == element) {
      offset = EraseEntry({block, offset}).offset;
      ++removed;
    } else {
      offset += EntrySize(found.size());
    }
  }
  return removed;
}

size_t List::RemoveFromBack(Block* block, size_t limit, std::string_view element) {
  size_t removed = 0;
  for (uint32_t offset = block->end; offset != block->begin && removed < limit;) {
    const uint32_t start = offset - EntrySizeBefore(block->bytes + offset);
    if (EntryAt(block->bytes + start) == element) {
      offset = EraseEntry({block, start}).offset;
      ++removed;
    } else {
      offset = start;
    }
  }
  return removed;
}

}  // namespace chorale
