#include "storage/bits.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace chorale {
namespace {

constexpr BitFieldType kU8{false, 8};
constexpr BitFieldType kI8{true, 8};
constexpr BitFieldType kU63{false, 63};
constexpr BitFieldType kI64{true, 64};
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr auto kWrap = BitFieldOverflow::kWrap;
constexpr auto kSaturate = BitFieldOverflow::kSaturate;
constexpr auto kFail = BitFieldOverflow::kFail;

// Bytes that are mostly runs of all ones or all zeros, so that searches go far.
std::string RandomBytes(std::mt19937& random) {
  std::string bytes;
  while (random() % 6 != 0) {
    const char filling = random() % 2 == 0 ? '\xff' : '\0';
    bytes.append(random() % 20, filling);
    if (random() % 3 == 0) bytes.push_back(static_cast<char>(random()));
  }
  return bytes;
}

TEST(BitsTest, CountsTheHighestBitOfAByteFirst) {
  EXPECT_TRUE(GetBit("\x80", 0));
  EXPECT_FALSE(GetBit("\x80", 7));
  EXPECT_TRUE(GetBit("\x01", 7));
}

TEST(BitsTest, ReadsZerosBehindTheEnd) {
  EXPECT_FALSE(GetBit("\xff", 8));
  EXPECT_EQ(ReadBitField("\xff", 4, kU8), 0xf0);
  EXPECT_EQ(ReadBitField("", 1000, kI64), 0);
}

TEST(BitsTest, SetsAndClearsOneBit) {
  std::string bytes("\x0f\x0f", 2);
  SetBit(bytes, 0, true);
  SetBit(bytes, 15, false);
  EXPECT_EQ(bytes, "\x8f\x0e");
}

TEST(BitsTest, CountsAndFindsAsALoopOverBitsDoes) {
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = RandomBytes(random);
    const uint64_t bits = bytes.size() * 8;
    const uint64_t begin = random() % (bits + 1);
    const uint64_t end = begin + random() % (bits - begin + 1);
    uint64_t count = 0;
    std::optional<uint64_t> first_set;
    std::optional<uint64_t> first_clear;
    for (uint64_t bit = begin; bit < end; ++bit) {
      const bool set = GetBit(bytes, bit);
      count += set;
      if (set && !first_set) first_set = bit;
      if (!set && !first_clear) first_clear = bit;
    }
    ASSERT_EQ(CountBits(bytes, {begin, end}), count);
    ASSERT_EQ(FindBit(bytes, {begin, end}, true), first_set);
    ASSERT_EQ(FindBit(bytes, {begin, end}, false), first_clear);
  }
}

TEST(BitsTest, CombinesStringsAsIfTheShorterOnesEndedInZeros) {
  const std::vector<std::string_view> operands = {"\x0f\xff\xff", "\xff\x0f", "\x3c"};
  EXPECT_EQ(CombineBits(BitOperation::kAnd, operands), std::string("\x0c\0\0", 3));
  EXPECT_EQ(CombineBits(BitOperation::kOr, operands), "\xff\xff\xff");
  EXPECT_EQ(CombineBits(BitOperation::kXor, operands), "\xcc\xf0\xff");
  EXPECT_EQ(CombineBits(BitOperation::kNot, std::vector<std::string_view>{"\x0f\xff"}),
            std::string("\xf0\0", 2));
}

TEST(BitsTest, AnEarlierOperandMayBeTheShorterOne) {
  const std::vector<std::string_view> operands = {"\xff", "\xff\xff"};
  EXPECT_EQ(CombineBits(BitOperation::kAnd, operands), std::string("\xff\0", 2));
  EXPECT_EQ(CombineBits(BitOperation::kOr, operands), "\xff\xff");
}

TEST(BitsTest, WritesAFieldOfAnyWidthAtAnyOffsetAndNothingElse) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 3000; ++i) {
    const bool is_signed = random() % 2 == 0;
    const BitFieldType type{is_signed, 1 + static_cast<unsigned>(random() % (is_signed ? 64 : 63))};
    const uint64_t offset = random() % 64;
    const std::string before(16, random() % 2 == 0 ? '\xff' : '\0');
    const auto value = *FitBitField(type, static_cast<int64_t>(random()), kWrap);
    std::string after = before;
    WriteBitField(after, offset, type, value);
    ASSERT_EQ(ReadBitField(after, offset, type), value);
    for (uint64_t bit = 0; bit < 128; ++bit) {
      if (bit >= offset && bit < offset + type.width) continue;
      ASSERT_EQ(GetBit(after, bit), GetBit(before, bit));
    }
  }
}

TEST(BitsTest, WrapsWhatDoesNotFit) {
  EXPECT_EQ(FitBitField(kU8, 256, kWrap), 0);
  EXPECT_EQ(FitBitField(kU8, -1, kWrap), 255);
  EXPECT_EQ(FitBitField(kI8, 128, kWrap), -128);
  EXPECT_EQ(AddToBitField(kI8, -128, -1, kWrap), 127);
  EXPECT_EQ(AddToBitField(kU8, 0, -1, kWrap), 255);
  EXPECT_EQ(AddToBitField(kI64, kMax, 1, kWrap), kMin);
  EXPECT_EQ(AddToBitField(kU63, kMax, kMax, kWrap), kMax - 1);
}

TEST(BitsTest, SaturatesWhatDoesNotFit) {
  EXPECT_EQ(FitBitField(kU8, 256, kSaturate), 255);
  EXPECT_EQ(FitBitField(kU8, -1, kSaturate), 255);
  EXPECT_EQ(FitBitField(kI8, -200, kSaturate), -128);
  EXPECT_EQ(AddToBitField(kU8, 1, -5, kSaturate), 0);
  EXPECT_EQ(AddToBitField(kI64, kMin, -1, kSaturate), kMin);
  EXPECT_EQ(AddToBitField(kI64, kMax, kMax, kSaturate), kMax);
}

TEST(BitsTest, RefusesWhatDoesNotFit) {
  EXPECT_EQ(FitBitField(kU8, 256, kFail), std::nullopt);
  EXPECT_EQ(FitBitField(kI8, -129, kFail), std::nullopt);
  EXPECT_EQ(AddToBitField(kU63, kMax, 1, kFail), std::nullopt);
  EXPECT_EQ(AddToBitField(kI64, kMin, -1, kFail), std::nullopt);
}

TEST(BitsTest, LeavesWhatFits) {
  for (const auto overflow : {kWrap, kSaturate, kFail}) {
    EXPECT_EQ(FitBitField(kU8, 255, overflow), 255);
    EXPECT_EQ(FitBitField(kI8, -128, overflow), -128);
    EXPECT_EQ(AddToBitField(kI64, kMax, -1, overflow), kMax - 1);
  }
}

}  // namespace
}  // namespace chorale
