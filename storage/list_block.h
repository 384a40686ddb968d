// How a List lays its elements out in a block. Included by the list's own source files only.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/list.h"

namespace chorale {

// An entry is the element's length, its bytes and the length again, for walking backwards. A length
// is one byte, or from 255 on a mark byte on the outer side of four bytes.
struct ListBlock {
  ListBlock* previous;
  ListBlock* next;
  uint32_t capacity;
  uint32_t begin;
  uint32_t end;
  uint32_t count : 30;
  uint32_t unsaved : 1;  // has changed since its row was written
  uint32_t on_disk : 1;  // has a row
  int32_t order;         // above that of the block before; it names the row
  char bytes[];

  uint32_t used() const { return end - begin; }
};

namespace list_block {

inline constexpr unsigned char kLongMark = 255;
inline constexpr uint32_t kLongLength = 5;
inline constexpr uint32_t kBlockHeader = 36;
inline constexpr uint32_t kBlockBytes = 8192 - kBlockHeader;
inline constexpr uint32_t kFirstBlockBytes = 64 - kBlockHeader;

inline uint32_t LengthSize(size_t length) { return length < kLongMark ? 1 : kLongLength; }

inline uint32_t EntrySize(size_t length) {
  return static_cast<uint32_t>(length) + 2 * LengthSize(length);
}

inline uint32_t LoadLength(const char* place) {
  uint32_t length;
  std::memcpy(&length, place, sizeof(length));
  return length;
}

inline std::string_view EntryAt(const char* entry) {
  const auto first = static_cast<unsigned char>(*entry);
  if (first != kLongMark) return {entry + 1, first};
  return {entry + kLongLength, LoadLength(entry + 1)};
}

// The size of the entry that ends at `end`.
inline uint32_t EntrySizeBefore(const char* end) {
  const auto last = static_cast<unsigned char>(end[-1]);
  return EntrySize(last != kLongMark ? last : LoadLength(end - kLongLength));
}

inline void WriteEntry(char* place, std::string_view element) {
  const auto length = static_cast<uint32_t>(element.size());
  if (length < kLongMark) {
    *place++ = static_cast<char>(length);
  } else {
    *place++ = static_cast<char>(kLongMark);
    std::memcpy(place, &length, sizeof(length));
    place += sizeof(length);
  }
  if (length > 0) std::memcpy(place, element.data(), length);
  place += length;
  if (length >= kLongMark) {
    std::memcpy(place, &length, sizeof(length));
    place += sizeof(length);
  }
  *place = static_cast<char>(std::min<uint32_t>(length, kLongMark));
}

}  // namespace list_block
}  // namespace chorale
