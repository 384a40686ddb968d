// Builds an RDB file byte by byte, for tests and the fuzz target's corpus.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "boost/crc.hpp"

namespace chorale {

inline std::string LittleEndian(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

inline std::string BigEndian(uint64_t value, size_t size) {
  const std::string reversed = LittleEndian(value, size);
  return {reversed.rbegin(), reversed.rend()};
}

// A length in the form that Redis chooses for it.
inline std::string Length(uint64_t value) {
  if (value < 64) return std::string(1, static_cast<char>(value));
  if (value < 16384) return BigEndian(value | 0x4000, 2);
  if (value <= UINT32_MAX) return "\x80" + BigEndian(value, 4);
  return "\x81" + BigEndian(value, 8);
}

inline std::string Text(std::string_view text) { return Length(text.size()) + std::string(text); }

// A ziplist or listpack grows by entries that are written as they are, with what surrounds them.
class Ziplist {
 public:
  Ziplist& Entry(std::string_view entry) {
    const std::string previous = previous_ < 254 ? std::string(1, static_cast<char>(previous_))
                                                 : "\xfe" + LittleEndian(previous_, 4);
    previous_ = previous.size() + entry.size();
    entries_.append(previous).append(entry);
    ++count_;
    return *this;
  }
  Ziplist& Add(std::string_view text) {  // Up to 63 bytes.
    return Entry(std::string(1, static_cast<char>(text.size())) + std::string(text));
  }
  std::string Bytes() const {
    const size_t size = 11 + entries_.size();
    return LittleEndian(size, 4) + LittleEndian(size - 1 - previous_, 4) + LittleEndian(count_, 2) +
           entries_ + "\xff";
  }

 private:
  std::string entries_;
  size_t previous_ = 0;
  size_t count_ = 0;
};

class Listpack {
 public:
  Listpack& Entry(std::string_view entry) {
    entries_ += entry;
    std::string back(1, static_cast<char>(entry.size() & 127));
    for (size_t rest = entry.size() >> 7; rest > 0; rest >>= 7) {
      back[0] = static_cast<char>(back[0] | 128);
      back.insert(back.begin(), static_cast<char>(rest & 127));
    }
    entries_ += back;
    ++count_;
    return *this;
  }
  Listpack& Add(std::string_view text) {  // Up to 63 bytes.
    return Entry(std::string(1, static_cast<char>(0x80 | text.size())) + std::string(text));
  }
  std::string Bytes() const {
    return LittleEndian(7 + entries_.size(), 4) + LittleEndian(count_, 2) + entries_ + "\xff";
  }

 private:
  std::string entries_;
  size_t count_ = 0;
};

class RdbFile {
 public:
  explicit RdbFile(std::string_view version = "0012") : bytes_("REDIS") { bytes_ += version; }

  RdbFile& Raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  RdbFile& Byte(int byte) {
    bytes_ += static_cast<char>(byte);
    return *this;
  }
  RdbFile& Key(int type, std::string_view key, std::string_view value) {
    return Byte(type).Raw(Text(key)).Raw(value);
  }

  // With the end mark, and the checksum if the version has one.
  std::string Bytes() const {
    boost::crc_optimal<64, 0xad93d23594c935a9, 0, 0, true, true> sum;
    const std::string all = bytes_ + '\xff';
    sum.process_bytes(all.data(), all.size());
    return all + LittleEndian(sum.checksum(), 8);
  }
  std::string BytesWithoutChecksum() const { return bytes_ + '\xff' + std::string(8, '\0'); }

 private:
  std::string bytes_;
};

}  // namespace chorale
