// A sequence of byte strings packed into one buffer: the small encoding of sets and hashes. Each
// entry is its length, in one byte or, from 255 bytes on, in five, and its bytes. Positions are
// offsets into the buffer and end with the next change. Owned by one value and guarded by whatever
// guards that.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/packed_buffer.h"

namespace chorale {

class PackedStrings {
 public:
  // Positions run from 0 to End(), the latter being past the last entry.
  size_t End() const { return buffer_.size(); }
  bool empty() const { return buffer_.size() == 0; }

  std::string_view At(size_t position) const {
    const char* entry = buffer_.data() + position;
    const auto first = static_cast<unsigned char>(*entry);
    if (first != kLongMark) return {entry + 1, first};
    uint32_t length;
    std::memcpy(&length, entry + 1, sizeof(length));
    return {entry + kLongHeader, length};
  }
  size_t Next(size_t position) const {
    const std::string_view text = At(position);
    return static_cast<size_t>(text.data() + text.size() - buffer_.data());
  }

  void Append(std::string_view text) { Write(End(), 0, text); }
  void Replace(size_t position, std::string_view text) {
    Write(position, Next(position) - position, text);
  }
  void Erase(size_t begin, size_t end) { buffer_.Splice(begin, end - begin, 0); }

  size_t MemoryUsage() const { return buffer_.MemoryUsage(); }

 private:
  static constexpr unsigned char kLongMark = 255;
  static constexpr size_t kLongHeader = 5;

  void Write(size_t position, size_t old_size, std::string_view text);

  PackedBuffer buffer_;
};

}  // namespace chorale
