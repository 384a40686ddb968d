// Sorted distinct integers, each in as few bytes (2, 4 or 8) as the widest of them needs: the
// encoding of a set whose members are all integers. Owned by one set and guarded by whatever guards
// that.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/packed_buffer.h"

namespace chorale {

// The integer that `text` is the canonical decimal form of: no leading zero, plus sign or space.
[[nodiscard]] std::optional<int64_t> ParseCanonicalInteger(std::string_view text);

class IntSet {
 public:
  size_t size() const { return buffer_.size() / width_; }
  int64_t At(size_t index) const;
  bool Contains(int64_t value) const;
  // Both return whether the set changed.
  bool Insert(int64_t value);
  bool Erase(int64_t value);
  size_t MemoryUsage() const { return buffer_.MemoryUsage(); }

 private:
  // The index of the first integer that is not below `value`.
  size_t LowerBound(int64_t value) const;
  void Store(char* place, int64_t value) const;
  void Widen(size_t width);

  PackedBuffer buffer_;
  size_t width_ = 2;
};

}  // namespace chorale
