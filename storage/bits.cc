#include "storage/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace chorale {
namespace {

using Wide = __int128;

uint8_t ByteAt(std::string_view bytes, uint64_t index) {
  return index < bytes.size() ? static_cast<uint8_t>(bytes[index]) : uint8_t{0};
}

// The byte at `index` with the bits outside of the range replaced by `filling`.
uint8_t MaskedByte(std::string_view bytes, BitRange range, uint64_t index, bool filling) {
  uint8_t mask = 0xff;
  if (index == range.begin / 8) mask = static_cast<uint8_t>(mask & (0xff >> range.begin % 8));
  if (index == (range.end - 1) / 8) {
    mask = static_cast<uint8_t>(mask & (0xff << (7 - (range.end - 1) % 8)));
  }
  const uint8_t byte = ByteAt(bytes, index);
  return static_cast<uint8_t>(filling ? byte | ~mask : byte & mask);
}

uint64_t LoadWord(std::string_view bytes, uint64_t index) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data() + index, sizeof(word));
  return word;
}

uint8_t Apply(BitOperation operation, uint8_t a, uint8_t b) {
  switch (operation) {
    case BitOperation::kAnd:
      return a & b;
    case BitOperation::kOr:
      return a | b;
    case BitOperation::kXor:
      return a ^ b;
    case BitOperation::kNot:
      break;
  }
  return static_cast<uint8_t>(~a);
}

std::optional<int64_t> Fit(BitFieldType type, Wide value, BitFieldOverflow overflow) {
  const Wide span = Wide{1} << type.width;
  const Wide least = type.is_signed ? -(span / 2) : 0;
  const Wide most = type.is_signed ? span / 2 - 1 : span - 1;
  if (value >= least && value <= most) return static_cast<int64_t>(value);
  switch (overflow) {
    case BitFieldOverflow::kFail:
      return std::nullopt;
    case BitFieldOverflow::kSaturate:
      return static_cast<int64_t>(value < least ? least : most);
    case BitFieldOverflow::kWrap:
      break;
  }
  Wide wrapped = value & (span - 1);
  if (wrapped > most) wrapped -= span;
  return static_cast<int64_t>(wrapped);
}

}  // namespace

bool GetBit(std::string_view bytes, uint64_t offset) {
  return (ByteAt(bytes, offset / 8) >> (7 - offset % 8) & 1) != 0;
}

void SetBit(std::string& bytes, uint64_t offset, bool value) {
  char& byte = bytes[offset / 8];
  const unsigned mask = 0x80u >> offset % 8;
  const auto old = static_cast<uint8_t>(byte);
  byte = static_cast<char>(value ? old | mask : old & ~mask);
}

uint64_t CountBits(std::string_view bytes, BitRange range) {
  if (range.begin >= range.end) return 0;
  uint64_t index = range.begin / 8;
  const uint64_t last = (range.end - 1) / 8;
  auto count = static_cast<uint64_t>(std::popcount(MaskedByte(bytes, range, index, false)));
  if (index++ == last) return count;
  for (; index + 8 <= last; index += 8) {
    count += static_cast<uint64_t>(std::popcount(LoadWord(bytes, index)));
  }
  for (; index <= last; ++index) {
    count += static_cast<uint64_t>(std::popcount(MaskedByte(bytes, range, index, false)));
  }
  return count;
}

std::optional<uint64_t> FindBit(std::string_view bytes, BitRange range, bool value) {
  if (range.begin >= range.end) return std::nullopt;
  const uint64_t last = (range.end - 1) / 8;
  const uint64_t uninteresting = value ? 0 : ~uint64_t{0};
  for (uint64_t index = range.begin / 8; index <= last; ++index) {
    // Whole words inside of the range that hold nothing but the other value.
    while (index > range.begin / 8 && index + 8 <= last &&
           LoadWord(bytes, index) == uninteresting) {
      index += 8;
    }
    const uint8_t byte = MaskedByte(bytes, range, index, !value);
    const auto wanted = static_cast<uint8_t>(value ? byte : ~byte);
    if (wanted != 0) return index * 8 + static_cast<uint64_t>(std::countl_zero(wanted));
  }
  return std::nullopt;
}

std::string CombineBits(BitOperation operation, std::span<const std::string_view> operands) {
  size_t size = 0;
  for (const std::string_view operand : operands) size = std::max(size, operand.size());
  std::string result(operands[0]);
  result.resize(size);
  auto* bytes = reinterpret_cast<uint8_t*>(result.data());
  if (operation == BitOperation::kNot) {
    for (size_t i = 0; i < size; ++i) bytes[i] = Apply(operation, bytes[i], 0);
    return result;
  }
  for (const std::string_view operand : operands.subspan(1)) {
    for (size_t i = 0; i < operand.size(); ++i) {
      bytes[i] = Apply(operation, bytes[i], static_cast<uint8_t>(operand[i]));
    }
    if (operation == BitOperation::kAnd) {
      std::fill(bytes + operand.size(), bytes + size, uint8_t{0});
    }
  }
  return result;
}

int64_t ReadBitField(std::string_view bytes, uint64_t offset, BitFieldType type) {
  uint64_t value = 0;
  for (unsigned i = 0; i < type.width; ++i) {
    value = value << 1 | static_cast<uint64_t>(GetBit(bytes, offset + i));
  }
  const unsigned unused = 64 - type.width;
  if (type.is_signed) return static_cast<int64_t>(value << unused) >> unused;
  return static_cast<int64_t>(value);
}

void WriteBitField(std::string& bytes, uint64_t offset, BitFieldType type, int64_t value) {
  for (unsigned i = 0; i < type.width; ++i) {
    const unsigned shift = type.width - 1 - i;
    SetBit(bytes, offset + i, (static_cast<uint64_t>(value) >> shift & 1) != 0);
  }
}

std::optional<int64_t> FitBitField(BitFieldType type, int64_t value, BitFieldOverflow overflow) {
  const Wide wide = type.is_signed ? Wide{value} : Wide{static_cast<uint64_t>(value)};
  return Fit(type, wide, overflow);
}

std::optional<int64_t> AddToBitField(BitFieldType type, int64_t value, int64_t increment,
                                     BitFieldOverflow overflow) {
  return Fit(type, Wide{value} + Wide{increment}, overflow);
}

}  // namespace chorale
