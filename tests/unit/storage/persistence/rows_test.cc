#include "storage/persistence/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace chorale {
namespace {

constexpr ValueType kTypes[] = {ValueType::kString, ValueType::kList, ValueType::kHash,
                                ValueType::kSet, ValueType::kSortedSet};

std::string KeyName(uint32_t space, std::string_view key) {
  std::string name = "what was there before";
  NameKeyRow(space, key, &name);
  return name;
}

std::string BlockName(PartsId id, int32_t order) {
  std::string name;
  NameBlockRow(id, order, &name);
  return name;
}

// Rows of every type, with and without an expiry, small and in parts.
std::vector<KeyRow> AllKeyRows() {
  std::vector<KeyRow> rows;
  for (const ValueType type : kTypes) {
    for (const auto expiry : {std::optional<int64_t>(), std::optional<int64_t>(1),
                              std::optional<int64_t>(std::numeric_limits<int64_t>::max())}) {
      rows.push_back({type, expiry, std::nullopt, "value"});
      rows.push_back({type, expiry, std::nullopt, ""});
      if (type == ValueType::kString) continue;
      rows.push_back({type, expiry, PartsId{7, std::numeric_limits<uint64_t>::max() - 1}, ""});
    }
  }
  return rows;
}

std::string Content(const KeyRow& row) {
  std::string content;
  AppendKeyHeader(row, &content);
  return content.append(row.value);
}

TEST(RowsTest, BigEndianNumbersComeBack) {
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{0x0123456789abcdef},
                                std::numeric_limits<uint64_t>::max()}) {
    std::string bytes;
    AppendBig64(&bytes, number);
    ASSERT_EQ(bytes.size(), 8u);
    EXPECT_EQ(ReadBig64(bytes.data()), number);
    bytes.clear();
    AppendBig32(&bytes, static_cast<uint32_t>(number));
    ASSERT_EQ(bytes.size(), 4u);
    EXPECT_EQ(ReadBig32(bytes.data()), static_cast<uint32_t>(number));
  }
}

TEST(RowsTest, BigEndianNumbersLieInTheirOrder) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t a = random() >> (random() % 64), b = random() >> (random() % 64);
    std::string a_bytes, b_bytes;
    AppendBig64(&a_bytes, a);
    AppendBig64(&b_bytes, b);
    EXPECT_EQ(a < b, a_bytes < b_bytes) << a << " and " << b;
  }
}

TEST(RowsTest, AKeysRowIsNamedBySpacePartitionAndKey) {
  const std::string key("a\0\xff", 3);
  const std::string name = KeyName(0x01020304, key);
  ASSERT_EQ(name.size(), kKeyRowPrefix + key.size());
  EXPECT_EQ(ReadBig32(name.data()), 0x01020304u);
  EXPECT_LT(static_cast<unsigned char>(name[4]), kPartitions);
  EXPECT_EQ(name.substr(kKeyRowPrefix), key);
  EXPECT_EQ(KeyName(0, "").size(), kKeyRowPrefix);
}

TEST(RowsTest, KeysAreSpreadOverAllPartitions) {
  std::set<char> partitions;
  for (int i = 0; i < 100 * kPartitions; ++i) {
    partitions.insert(KeyName(0, "key:" + std::to_string(i))[4]);
  }
  EXPECT_EQ(partitions.size(), static_cast<size_t>(kPartitions));
}

// The partition is on disk: another function would not find the rows of today.
TEST(RowsTest, APartitionIsTheSameInEveryProcess) {
  EXPECT_EQ(KeyName(0, "")[4], 25);
  EXPECT_EQ(KeyName(0, "chorale")[4], 48);
  EXPECT_EQ(KeyName(9, "chorale")[4], 48);
}

TEST(RowsTest, PartsOfAValueLieTogether) {
  std::string name, after;
  NamePartRow({3, 9}, "field", &name);
  EXPECT_EQ(name.size(), kPartRowPrefix + 5);
  EXPECT_EQ(name.substr(kPartRowPrefix), "field");
  NamePartRow({3, 9}, std::string(20, '\xff'), &name);
  NamePartRow({3, 10}, {}, &after);
  EXPECT_LT(name, after);
}

TEST(RowsTest, BlocksLieInTheirOrderAlsoIfItIsNegative) {
  const std::vector<int32_t> orders = {
      std::numeric_limits<int32_t>::min(), -1025, -1024, -1, 0, 1, 255, 256,
      std::numeric_limits<int32_t>::max()};
  for (size_t i = 0; i < orders.size(); ++i) {
    const std::string name = BlockName({1, 2}, orders[i]);
    const auto read = ReadPartName(ValueType::kList, name);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->order, orders[i]);
    if (i > 0) {
      EXPECT_LT(BlockName({1, 2}, orders[i - 1]), name);
    }
  }
}

TEST(RowsTest, MessagesOfAQueueLieInTheirOrder) {
  std::string first, second;
  NameMessageRow("queue", 255, &first);
  NameMessageRow("queue", 256, &second);
  EXPECT_LT(first, second);
  EXPECT_EQ(ReadBig64(first.data() + first.size() - 8), 255u);
}

TEST(RowsTest, WhatLiesAfterAPrefixIsBehindEveryRowThatBeginsWithIt) {
  const std::string prefix = MailboxPrefix("layer", "box!");
  const std::string after = AfterPrefix(prefix);
  EXPECT_GT(after, prefix + std::string(10, '\xff'));
  EXPECT_LE(after, MailboxPrefix("layer", "box!!"));
  EXPECT_EQ(AfterPrefix("a\xff\xff"), "b");
  EXPECT_EQ(AfterPrefix("\xff"), "") << "nothing is behind it";
}

TEST(RowsTest, NamesOfLayersRowsDoNotMeet) {
  EXPECT_NE(PolicyRow("a"), GroupMemberRow("a", "", ""));
  EXPECT_NE(GroupMemberRow("a", "b", "c"), GroupMemberRow("a", "bc", ""));
  EXPECT_NE(MailboxPrefix("a", "b!"), MailboxPrefix("ab", "!"));
}

TEST(RowsTest, EveryTypeThatHasPartsHasAFamilyOfItsOwn) {
  EXPECT_EQ(FamilyOfParts(ValueType::kString), Family::kDefault);
  std::set<Family> families;
  for (const ValueType type : kTypes) families.insert(FamilyOfParts(type));
  EXPECT_EQ(families.size(), 5u);
}

TEST(RowsTest, ContentsComeBack) {
  const std::vector<uint64_t> numbers = {
      0, 1, 127, 128, 16383, 16384, 0xffffffff, 1ULL << 63, std::numeric_limits<uint64_t>::max()};
  const std::vector<double> scores = {0.0,
                                      -0.0,
                                      1.5,
                                      std::numeric_limits<double>::infinity(),
                                      -std::numeric_limits<double>::infinity(),
                                      std::numeric_limits<double>::denorm_min()};
  std::string content;
  for (const uint64_t number : numbers) {
    AppendVarint(&content, number);
    AppendLittle64(&content, number);
  }
  for (const double score : scores) AppendScore(&content, score);
  AppendElement(&content, "");
  AppendElement(&content, std::string(300, 'x'));
  content += "rest";

  ContentReader reader(content);
  for (const uint64_t number : numbers) {
    EXPECT_EQ(reader.Varint(), number);
    EXPECT_EQ(reader.Little64(), number);
  }
  for (const double score : scores) {
    const double read = reader.Score();
    EXPECT_EQ(read, score);
    EXPECT_EQ(std::signbit(read), std::signbit(score));
  }
  EXPECT_EQ(reader.Element(), "");
  EXPECT_EQ(reader.Element(), std::string(300, 'x'));
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.Rest(), "rest");
  EXPECT_TRUE(reader.done());
}

TEST(RowsTest, NothingIsReadAfterAReadThatFailed) {
  std::string content;
  AppendVarint(&content, 100);
  content += "short";
  ContentReader reader(content);
  EXPECT_EQ(reader.Element(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.Byte(), 0);
  EXPECT_EQ(reader.Rest(), "");
  EXPECT_FALSE(reader.done());
}

TEST(RowsTest, AVarintThatDoesNotEndIsRefused) {
  ContentReader reader(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
  (void)reader.Varint();
  EXPECT_FALSE(reader.ok());
}

TEST(RowsTest, KeyRowsComeBack) {
  for (const KeyRow& row : AllKeyRows()) {
    const std::string content = Content(row);
    const auto read = ReadKeyRow(content);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type, row.type);
    EXPECT_EQ(read->expiry_ms, row.expiry_ms);
    EXPECT_EQ(read->value, row.value);
    ASSERT_EQ(read->parts.has_value(), row.parts.has_value());
    if (!row.parts) continue;
    EXPECT_EQ(read->parts->space, row.parts->space);
    EXPECT_EQ(read->parts->number, row.parts->number);
  }
}

TEST(RowsTest, AKeyRowThatEndsInItsHeaderIsRefused) {
  for (const KeyRow& row : AllKeyRows()) {
    const std::string content = Content(row);
    const size_t header = content.size() - row.value.size();
    for (size_t size = 0; size < content.size(); ++size) {
      const std::string prefix = content.substr(0, size);  // on the heap, for the sanitizers
      EXPECT_EQ(ReadKeyRow(prefix).has_value(), size >= header) << size << " bytes";
    }
  }
}

TEST(RowsTest, KeyRowsThatMakeNoSenseAreRefused) {
  EXPECT_FALSE(ReadKeyRow(std::string(1, static_cast<char>(ValueType::kChannelQueue))));
  EXPECT_FALSE(ReadKeyRow("\x0f"));
  EXPECT_FALSE(ReadKeyRow("\x40value")) << "a flag that nobody knows";
  EXPECT_FALSE(ReadKeyRow(Content({ValueType::kString, {}, PartsId{1, 2}, ""})));
  EXPECT_FALSE(ReadKeyRow(Content({ValueType::kHash, {}, PartsId{1, 2}, "more"})));
  for (const uint64_t number : {uint64_t{0}, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_FALSE(ReadKeyRow(Content({ValueType::kHash, {}, PartsId{1, number}, ""}))) << number;
    std::string name;
    NamePartRow({1, number}, "field", &name);
    EXPECT_FALSE(ReadPartName(ValueType::kHash, name)) << number;
  }
}

TEST(RowsTest, RandomBytesAreReadOrRefused) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 100'000; ++i) {
    std::string content(random() % 40, '\0');
    for (char& c : content) c = static_cast<char>(random());
    if (i % 2 == 0 && !content.empty()) content[0] = static_cast<char>(random() % 0x40);
    const auto row = ReadKeyRow(content);
    if (!row) continue;
    EXPECT_EQ(Content(*row), content) << "it means nothing else";
    ContentReader reader(row->value);
    const uint64_t count = reader.Varint();
    for (uint64_t element = 0; element < count && reader.ok(); ++element) (void)reader.Element();
  }
}

}  // namespace
}  // namespace chorale
