// The list value: a deque of byte strings. Elements are packed into blocks of up to 8 KiB that are
// linked both ways; both ends and a walk in either direction are O(1) per step, an index or a pivot
// costs a walk over the blocks. A list that fits list-max-listpack-size is called "listpack", a
// longer one "quicklist", as in Redis. Owned by one key; not thread-safe, guarded by the shard that
// holds the key. Views that it returns or passes to visitors end with the next change.
//
// In a block, elements lie between `begin` and `end` with free room on either side, so that a push
// at one end and a pop at the other move nothing. When a side runs out of room, the elements slide
// over if they fill at most half of the block, which pays for the next pushes; else the block grows
// or a new one is linked.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace chorale {

struct ListBlock;
struct UnsavedBlocks;

class List {
 public:
  using Visitor = absl::FunctionRef<void(std::string_view element)>;
  // Returns false to stop the search.
  using IndexVisitor = absl::FunctionRef<bool(size_t index)>;

  List();
  List(List&& other) noexcept;
  List& operator=(List&& other) noexcept;
  ~List();
  [[nodiscard]] List Clone() const;

  size_t size() const { return size_; }

  void PushFront(std::string_view element);
  void PushBack(std::string_view element);
  // These four need a list that is not empty.
  std::string_view Front() const;
  std::string_view Back() const;
  void PopFront();
  void PopBack();

  // `index` is below size().
  std::string_view At(size_t index) const;
  void Set(size_t index, std::string_view element);

  // Puts `element` before or after the first one equal to `pivot`; false when there is none.
  bool InsertBefore(std::string_view pivot, std::string_view element);
  bool InsertAfter(std::string_view pivot, std::string_view element);
  // Takes out the first `count` elements equal to `element`, the last -count ones when it is
  // negative, all when it is 0. Returns how many.
  size_t Remove(int64_t count, std::string_view element);
  // Keeps the elements with indexes from begin up to but not including end, which is at most
  // size().
  void Trim(size_t begin, size_t end);

  // Visits the elements with indexes from begin up to but not including end, which is at most
  // size().
  void ForEach(size_t begin, size_t end, Visitor visit) const;
  // Looks at up to `max_length` elements, from the front or from the back, and visits the index of
  // each that is equal to `element`.
  void Search(std::string_view element, bool from_back, size_t max_length,
              IndexVisitor visit) const;

  // ---- persistence ----
  // Of a list of more than one block, now or once; nullptr of others.
  UnsavedBlocks* parts() const { return parts_.get(); }
  using BlockVisitor =
      absl::FunctionRef<void(int32_t order, const std::vector<std::string_view>& elements)>;
  // Visits the blocks that changed since they were visited last, in no order, or all of them, and
  // takes them for written.
  void SaveBlocks(bool all, BlockVisitor visit);
  // Makes it a list that is on disk in blocks, and that has none yet. The list is empty.
  UnsavedBlocks& BecomeBlocks();
  // Appends a block that is on disk; it has an element at least.
  void AppendBlock(int32_t order, const std::vector<std::string_view>& elements);

  // The name that OBJECT ENCODING shows.
  std::string_view encoding() const { return quicklist_ ? "quicklist" : "listpack"; }
  // Bytes on the heap, without the object itself.
  size_t MemoryUsage() const { return allocated_; }

 private:
  using Block = ListBlock;
  struct Position {
    Block* block;
    uint32_t offset;
  };

  // A block is linked when it is made, between the neighbours that it names.
  Block* NewBlock(size_t capacity, Block* previous, Block* next);
  Block* AllocateBlock(size_t capacity, Block* previous, Block* next);
  // Gives a new block its place in the order of the rows.
  void GiveOrder(Block* block);
  // Gives every block a new place, so that there is room between them.
  void Renumber();
  void MarkUnsaved(Block* block);
  void Link(Block* block);
  void Unlink(Block* block);
  void Free(Block* block);
  // Moves a block's elements into a larger allocation, `begin` bytes from its start.
  Block* Regrow(Block* block, size_t capacity, size_t begin);
  static void SlideTo(Block* block, uint32_t begin);
  static uint32_t GrownCapacity(const Block* block, uint32_t need);

  // A block at that end of the list with room for `need` bytes on its outer side.
  Block* RoomAtFront(uint32_t need);
  Block* RoomAtBack(uint32_t need);
  void DropFront(size_t count);
  void DropBack(size_t count);

  Position Locate(size_t index) const;
  // The first entry equal to `element`; a null block when there is none.
  Position Find(std::string_view element) const;

  // Inserts before the entry at the position, which may be the end of its block.
  void InsertAt(Position at, std::string_view element);
  // The same when the block has no room: in a neighbour, half of the block, or a new one.
  void InsertBeside(Position at, std::string_view element);
  // What lies from the offset on goes to a new block behind.
  void Split(Position at);
  // Takes the entry out and returns where the one behind it begins, which may be the end of the
  // block. An emptied block stays.
  Position EraseEntry(Position at);
  // Return how many they removed.
  size_t RemoveFromFront(Block* block, size_t limit, std::string_view element);
  size_t RemoveFromBack(Block* block, size_t limit, std::string_view element);
  // Frees the block when it is empty, or joins it to the one before when both are small; that one
  // stays where it is in memory.
  void Tidy(Block* block);

  void Added(Block* block, uint32_t bytes);
  void Shrunk();
  void Clear();

  Block* head_ = nullptr;
  Block* tail_ = nullptr;
  size_t size_ = 0;
  size_t bytes_ = 0;      // Of all entries.
  size_t allocated_ = 0;  // Of all blocks.
  bool quicklist_ = false;
  std::unique_ptr<UnsavedBlocks> parts_;
};

}  // namespace chorale
