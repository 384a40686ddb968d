// The set value: distinct byte strings. Integers alone are kept sorted ("intset"), few and short
// strings are packed in the order of their insertion ("listpack"); beyond EncodingLimits it becomes
// a table of nodes and stays one ("hashtable"). Owned by one key; not thread-safe, guarded by the
// shard that holds the key. Views passed to visitors end with the call.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "absl/functional/function_ref.h"
#include "storage/int_set.h"
#include "storage/packed_strings.h"
#include "storage/random_sample.h"

namespace chorale {

struct UnsavedParts;

class Set {
 public:
  using Visitor = absl::FunctionRef<void(std::string_view member)>;
  // Returns false to stop the iteration.
  using WhileVisitor = absl::FunctionRef<bool(std::string_view member)>;

  // An empty set that is about to receive `expected` members: with more than a small encoding
  // holds it begins as a table.
  explicit Set(size_t expected = 0);
  Set(Set&&) noexcept;
  Set& operator=(Set&&) noexcept;
  ~Set();
  [[nodiscard]] Set Clone() const;

  size_t size() const;
  bool Contains(std::string_view member) const;
  // Both return whether the set changed.
  bool Add(std::string_view member);
  bool Remove(std::string_view member);

  void ForEach(Visitor visit) const;
  void ForEachWhile(WhileVisitor visit) const;
  // One SCAN call: visits about `count` members and returns the next cursor, 0 at the end. The
  // small encodings are visited whole.
  uint64_t Scan(uint64_t cursor, size_t count, Visitor visit) const;
  // Visits one member chosen at random; the set is not empty.
  void VisitRandom(RandomBits random, Visitor visit) const;
  // Visits min(count, size()) different members.
  void VisitSample(size_t count, RandomBits random, Visitor visit) const;
  // Takes out min(count, size()) members chosen at random; each is visited before it goes.
  void PopRandom(size_t count, RandomBits random, Visitor visit);

  // Brings what is looked at for members with these hashes into the cache, if it is a table.
  void Prefetch(std::span<const uint64_t> hashes) const;

  // Of a table: which members are not on disk yet. nullptr in a small encoding.
  UnsavedParts* parts() const;
  // Visits the members that are to be written, and takes them for written.
  void CollectParts(Visitor put);
  // Makes it a table, however small it is.
  void BecomeTable() {
    if (!std::holds_alternative<TablePtr>(rep_)) ConvertToTable();
  }

  // The name that OBJECT ENCODING shows.
  std::string_view encoding() const;
  // Bytes on the heap, without the object itself.
  size_t MemoryUsage() const;

 private:
  struct Node;
  struct Table;
  struct Packed {
    // The position of the member, strings.End() when it is not there.
    size_t Find(std::string_view member) const;
    PackedStrings strings;
    size_t count = 0;
  };
  using TablePtr = std::unique_ptr<Table>;

  bool AddToIntSet(std::string_view member);
  bool AddToPacked(std::string_view member);
  void PopOne(RandomBits random, Visitor visit);
  void Clear();
  void ConvertToPacked();
  void ConvertToTable();

  std::variant<IntSet, Packed, TablePtr> rep_;
};

}  // namespace chorale
