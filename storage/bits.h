// Strings as arrays of bits: bit 0 is the highest bit of the first byte, as in SETBIT and BITFIELD.
// Bits behind the end read as 0. Thread-safe: nothing here keeps state.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace chorale {

// Bits from `begin` up to but not including `end`, which is at most 8 * bytes.size().
struct BitRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

[[nodiscard]] bool GetBit(std::string_view bytes, uint64_t offset);
// `bytes` reaches that far.
void SetBit(std::string& bytes, uint64_t offset, bool value);

// How many bits of the range are set.
[[nodiscard]] uint64_t CountBits(std::string_view bytes, BitRange range);
// The first bit of the range that is `value`.
[[nodiscard]] std::optional<uint64_t> FindBit(std::string_view bytes, BitRange range, bool value);

enum class BitOperation { kAnd, kOr, kXor, kNot };
// As long as the longest operand; shorter ones are continued with zero bytes. kNot takes one.
[[nodiscard]] std::string CombineBits(BitOperation operation,
                                      std::span<const std::string_view> operands);

// An integer of 1 to 64 bits (1 to 63 when unsigned) inside a string.
struct BitFieldType {
  bool is_signed = false;
  unsigned width = 8;
};
// What happens to a value that its field cannot hold.
enum class BitFieldOverflow { kWrap, kSaturate, kFail };

[[nodiscard]] int64_t ReadBitField(std::string_view bytes, uint64_t offset, BitFieldType type);
// Writes the low bits of `value`; `bytes` reaches that far.
void WriteBitField(std::string& bytes, uint64_t offset, BitFieldType type, int64_t value);
// The value to store in place of `value`, and of `value + increment`; nullopt when it does not fit
// and kFail was chosen. To an unsigned field a negative `value` is a very large one, as in Redis,
// while a sum below zero is a small one.
[[nodiscard]] std::optional<int64_t> FitBitField(BitFieldType type, int64_t value,
                                                 BitFieldOverflow overflow);
[[nodiscard]] std::optional<int64_t> AddToBitField(BitFieldType type, int64_t value,
                                                   int64_t increment, BitFieldOverflow overflow);

}  // namespace chorale
