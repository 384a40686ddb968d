// The hash value: fields, each with a value. Few and short ones are packed in the order of their
// insertion ("listpack"); beyond EncodingLimits it becomes a table of nodes and stays one
// ("hashtable"). Owned by one key; not thread-safe, guarded by the shard that holds the key.
// Views that it returns or passes to visitors end with the next change.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "storage/packed_strings.h"
#include "storage/random_sample.h"

namespace chorale {

struct UnsavedParts;

class Hash {
 public:
  using Visitor = absl::FunctionRef<void(std::string_view field, std::string_view value)>;

  Hash();
  Hash(Hash&&) noexcept;
  Hash& operator=(Hash&&) noexcept;
  ~Hash();
  [[nodiscard]] Hash Clone() const;

  size_t size() const;
  std::optional<std::string_view> Get(std::string_view field) const;
  bool Contains(std::string_view field) const { return Get(field).has_value(); }
  // Returns true when the field is new.
  bool Set(std::string_view field, std::string_view value);
  bool Remove(std::string_view field);

  void ForEach(Visitor visit) const;
  // One SCAN call: visits about `count` fields and returns the next cursor, 0 at the end. The
  // packed encoding is visited whole.
  uint64_t Scan(uint64_t cursor, size_t count, Visitor visit) const;
  // Visits one field chosen at random; the hash is not empty.
  void VisitRandom(RandomBits random, Visitor visit) const;
  // Visits min(count, size()) different fields.
  void VisitSample(size_t count, RandomBits random, Visitor visit) const;

  // Brings what is looked at for fields with these hashes into the cache, if it is a table.
  void Prefetch(std::span<const uint64_t> hashes) const;

  // Of a table: which fields are not on disk yet. nullptr while packed.
  UnsavedParts* parts() const;
  // Visits the fields that are to be written, and takes them for written.
  void CollectParts(Visitor put);
  // Makes it a table, however small it is.
  void BecomeTable() {
    if (table_ == nullptr) Convert();
  }

  // The name that OBJECT ENCODING shows.
  std::string_view encoding() const { return table_ == nullptr ? "listpack" : "hashtable"; }
  // Bytes on the heap, without the object itself.
  size_t MemoryUsage() const;

 private:
  struct Node;
  struct Table;

  // The position of the field in packed_, End() when it is not there.
  size_t FindPacked(std::string_view field) const;
  bool SetPacked(std::string_view field, std::string_view value);
  void Convert();

  PackedStrings packed_;  // field, value, field, value, ...
  size_t packed_count_ = 0;
  std::unique_ptr<Table> table_;  // Null while packed.
};

}  // namespace chorale
