// How a List of several blocks keeps track of which of them are on disk.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "storage/list.h"
#include "storage/list_block.h"
#include "storage/unsaved.h"

namespace chorale {
namespace {

// Between two blocks, so that others find room between them.
constexpr int32_t kOrderStep = 1024;
constexpr int32_t kLargestOrder = std::numeric_limits<int32_t>::max() - kOrderStep;

}  // namespace

using list_block::EntryAt;
using list_block::EntrySize;
using list_block::WriteEntry;

void List::MarkUnsaved(Block* block) {
  if (parts_ == nullptr || block->unsaved != 0) return;
  block->unsaved = 1;
  parts_->changed.insert(block);
  parts_->bytes.Add(block->capacity + kUnsavedRowBytes);
}

void List::GiveOrder(Block* block) {
  const Block* const previous = block->previous;
  const Block* const next = block->next;
  if (previous == nullptr && next == nullptr) {
    block->order = 0;
  } else if (next == nullptr) {
    if (previous->order > kLargestOrder) return Renumber();
    block->order = previous->order + kOrderStep;
  } else if (previous == nullptr) {
    if (next->order < -kLargestOrder) return Renumber();
    block->order = next->order - kOrderStep;
  } else {
    const int64_t gap = int64_t{next->order} - previous->order;
    block->order = static_cast<int32_t>(previous->order + gap / 2);
    if (block->order == previous->order) Renumber();
  }
}

void List::Renumber() {
  int32_t blocks = 0;
  for (Block* block = head_; block != nullptr; block = block->next) ++blocks;
  const int32_t step = std::clamp(kLargestOrder / std::max(blocks, 1), 1, kOrderStep);
  int32_t order = 0;
  for (Block* block = head_; block != nullptr; block = block->next) {
    if (block->on_disk != 0) parts_->removed.push_back(block->order);
    block->on_disk = 0;
    MarkUnsaved(block);
    block->order = order;
    order += step;
  }
}

void List::SaveBlocks(bool all, BlockVisitor visit) {
  std::vector<std::string_view> elements;
  const auto save = [&](Block* block) {
    elements.clear();
    for (uint32_t offset = block->begin; offset != block->end;) {
      elements.push_back(EntryAt(block->bytes + offset));
      offset += EntrySize(elements.back().size());
    }
    visit(block->order, elements);
    block->unsaved = 0;
    block->on_disk = 1;
  };
  if (all) {
    for (Block* block = head_; block != nullptr; block = block->next) save(block);
  } else {
    for (Block* const block : parts_->changed) save(block);
  }
  parts_->changed.clear();
}

UnsavedBlocks& List::BecomeBlocks() {
  parts_ = std::make_unique<UnsavedBlocks>();
  return *parts_;
}

void List::AppendBlock(int32_t order, const std::vector<std::string_view>& elements) {
  uint32_t bytes = 0;
  for (const std::string_view element : elements) bytes += EntrySize(element.size());
  Block* block = AllocateBlock(bytes, tail_, nullptr);
  block->unsaved = 1;  // Added() is not to mark it
  for (const std::string_view element : elements) {
    WriteEntry(block->bytes + block->end, element);
    const uint32_t size = EntrySize(element.size());
    block->end += size;
    Added(block, size);
  }
  block->unsaved = 0;
  block->on_disk = 1;
  block->order = order;
}

}  // namespace chorale
