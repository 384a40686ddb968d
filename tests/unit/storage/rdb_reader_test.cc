#include "storage/rdb/rdb_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/database.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/sorted_set.h"
#include "tests/unit/storage/rdb_file.h"

namespace chorale {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr int kDatabases = 16;
constexpr int64_t kNow = 1'700'000'000'000;

// What a key holds, as text: "string one", "list a b", "hash f=v", "zset m=1.5", "set a".
std::string Describe(const Entry& entry) {
  std::string text(ValueTypeName(entry.type()));
  const auto add = [&](std::string_view part) { text.append(" ").append(part); };
  IntegerText scratch;
  switch (entry.type()) {
    case ValueType::kString:
      add(entry.StringValue(scratch));
      break;
    case ValueType::kList:
      entry.object<List>().ForEach(0, entry.object<List>().size(), add);
      break;
    case ValueType::kSet:
      entry.object<Set>().ForEach(add);
      break;
    case ValueType::kHash:
      entry.object<Hash>().ForEach([&](std::string_view field, std::string_view value) {
        add(std::string(field) + "=" + std::string(value));
      });
      break;
    case ValueType::kSortedSet:
      entry.object<SortedSet>().ForEach([&](std::string_view member, double score) {
        add(std::string(member) + "=" + absl::StrCat(score));
      });
      break;
    case ValueType::kChannelQueue:
      break;
  }
  return text;
}

struct Import {
  absl::StatusOr<RdbSummary> summary = absl::UnknownError("");
  std::map<std::string, std::string> keys;  // "3:key" in database 3, else the key alone.
  std::map<std::string, int64_t> expiries;
  std::map<std::string, std::string> encodings;

  std::string error() const { return std::string(summary.status().message()); }
};

// Gives `bytes` to the reader in pieces of that size.
Import Read(std::string_view bytes, size_t piece = 1 << 20) {
  Import import;
  const auto source = [&](std::span<char> room) -> absl::StatusOr<size_t> {
    const size_t size = bytes.copy(room.data(), std::min(piece, room.size()));
    bytes.remove_prefix(size);
    return size;
  };
  const auto sink = [&](int database, Entry::Pointer entry, int64_t expiry_ms) {
    std::string name(entry->key());
    if (database != 0) name = absl::StrCat(database, ":", name);
    import.keys[name] = Describe(*entry);
    import.encodings[name] = std::string(entry->encoding());
    if (expiry_ms != Database::kNever) import.expiries[name] = expiry_ms;
    return absl::OkStatus();
  };
  import.summary = ReadRdb(source, kDatabases, kNow, sink);
  return import;
}

// The only key of a file that holds `value` with this type, described.
std::string ReadValue(int type, std::string_view value) {
  const Import import = Read(RdbFile().Key(type, "key", value).Bytes());
  if (!import.summary.ok()) return import.error();
  return import.keys.empty() ? "nothing" : import.keys.at("key");
}

std::string Double(double value) { return LittleEndian(std::bit_cast<uint64_t>(value), 8); }

// A literal run, a reference back to it, and a literal run.
std::string CompressedText() {
  const std::string lzf = std::string(
                              "\x07"
                              "abcdefgh") +
                          std::string("\xe0\x1f\x07", 3) + "\x01ij";
  return "\xc3" + Length(lzf.size()) + Length(50) + lzf;
}
constexpr std::string_view kUncompressedText = "abcdefghabcdefghabcdefghabcdefghabcdefghabcdefghij";

// Of one entry and a group with one entry that a consumer has not acknowledged.
std::string StreamValue(int form) {
  const std::string id(16, '\1');
  const std::string time(8, '\2');
  std::string value = Length(1) + Text(id) + Text("a listpack") + Length(1) + Length(5) + Length(0);
  if (form >= 2) value += Length(5) + Length(0) + Length(0) + Length(0) + Length(1);
  value += Length(1) + Text("group") + Length(5) + Length(0);
  if (form >= 2) value += Length(1);
  value += Length(1) + id + time + Length(1);
  value += Length(1) + Text("consumer") + time;
  if (form >= 3) value += time;
  value += Length(1) + id;
  if (form >= 5) value += Length(1) + id;
  if (form >= 4) {
    value += Length(100) + Length(100);
    value += Length(1) + Text("producer") + Length(1) + Text("used") + Length(5) + Length(0);
    value += Length(1) + Length(0);
  }
  return value;
}

std::string ModuleNumber(std::string_view name, uint64_t version) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint64_t number = 0;
  for (const char letter : name) number = number << 6 | kLetters.find(letter);
  return Length(number << 10 | version);
}

std::string ModuleData() {
  return Length(1) + Length(5) + Length(2) + Length(1u << 30) + Length(3) + "floa" + Length(4) +
         "a double" + Length(5) + Text("text") + Length(0);
}

// Two fields, the second with a length of five bytes and room behind its value.
std::string ZipmapValue() {
  const std::string first = Text("a") + Length(1) + Length(0) + "1";
  const std::string second = "\xfe" + LittleEndian(2, 4) + "bb" + Length(2) + Length(3) + "22---";
  return Text(Length(2) + first + second + "\xff");
}

std::string IntsetValue(size_t width, const std::vector<int64_t>& members) {
  std::string bytes = LittleEndian(width, 4) + LittleEndian(members.size(), 4);
  for (const int64_t member : members) bytes += LittleEndian(static_cast<uint64_t>(member), width);
  return Text(bytes);
}

std::string HashWithExpiryValue(bool relative, int64_t soonest) {
  const auto at = [&](int64_t ms) {
    return Length(static_cast<uint64_t>(relative ? ms - soonest + 1 : ms));
  };
  return (relative ? LittleEndian(static_cast<uint64_t>(soonest), 8) : std::string()) + Length(3) +
         Length(0) + Text("stays") + Text("1") + at(soonest + 9) + Text("expires") + Text("2") +
         at(soonest) + Text("expired") + Text("3");
}

std::string HashWithExpiryListpack() {
  const auto time = [](int64_t ms) { return "\xf4" + LittleEndian(static_cast<uint64_t>(ms), 8); };
  return Text(Listpack()
                  .Add("stays")
                  .Add("1")
                  .Entry(std::string(1, '\0'))
                  .Add("expired")
                  .Add("2")
                  .Entry(time(kNow - 1))
                  .Add("expires")
                  .Add("3")
                  .Entry(time(kNow + 9))
                  .Bytes());
}

// Every type of value and every opcode.
RdbFile RichFile() {
  RdbFile file("0014");
  file.Byte(250).Raw(Text("redis-ver")).Raw(Text("8.0.1"));
  file.Byte(250).Raw(Text("redis-bits")).Raw("\xc0\x40");
  file.Byte(247).Raw(ModuleNumber("auxiliary", 1)).Raw(Length(2)).Raw(Length(2)).Raw(ModuleData());
  file.Byte(245).Raw(Text("#!lua name=f"));
  file.Byte(254).Raw(Length(0)).Byte(251).Raw(Length(20)).Raw(Length(2));
  file.Byte(244).Raw(Length(1)).Raw(Length(20)).Raw(Length(2));
  file.Key(0, "text", Text("text"));
  file.Byte(248).Raw(Length(99)).Key(0, "compressed", CompressedText());
  file.Byte(249).Byte(5).Key(0, "int8", "\xc0\xff");
  file.Byte(252).Raw(LittleEndian(kNow + 5, 8)).Key(0, "int16", std::string("\xc1\x00\x80", 3));
  file.Byte(253).Raw(LittleEndian(kNow / 1000 + 5, 4)).Key(0, "int32", "\xc2" + LittleEndian(1, 4));
  file.Byte(252).Raw(LittleEndian(kNow - 5, 8)).Key(0, "expired", Text("x"));
  file.Key(1, "list", Length(2) + Text("a") + Text("b"));
  file.Key(2, "set", Length(2) + Text("a") + Text("b"));
  file.Key(3, "zset",
           Length(3) + Text("a") +
               "\x03"
               "1.5" +
               Text("b") + "\xfe" + Text("c") + "\xff");
  file.Key(4, "hash", Length(1) + Text("f") + Text("v"));
  file.Key(5, "zset2", Length(1) + Text("a") + Double(2.5));
  file.Key(9, "zipmap", ZipmapValue());
  file.Key(10, "list ziplist", Text(Ziplist().Add("a").Add("b").Bytes()));
  file.Key(11, "intset", IntsetValue(2, {-1, 5}));
  file.Key(12, "zset ziplist", Text(Ziplist().Add("a").Add("1.5").Bytes()));
  file.Key(13, "hash ziplist", Text(Ziplist().Add("f").Add("v").Bytes()));
  file.Key(14, "quicklist",
           Length(2) + Text(Ziplist().Add("a").Bytes()) + Text(Ziplist().Add("b").Bytes()));
  file.Byte(254).Raw(Length(3));
  file.Byte(243).Raw(Length(1)).Raw("spec").Raw(ModuleData());
  file.Key(16, "hash listpack", Text(Listpack().Add("f").Add("v").Bytes()));
  file.Key(17, "zset listpack", Text(Listpack().Add("a").Add("1.5").Bytes()));
  file.Key(18, "quicklist2",
           Length(2) + Length(1) + Text("a") + Length(2) + Text(Listpack().Add("b").Bytes()));
  file.Key(20, "set listpack", Text(Listpack().Add("a").Bytes()));
  file.Key(22, "hash 22", HashWithExpiryValue(false, kNow - 1));
  file.Key(23, "hash 23", HashWithExpiryListpack());
  file.Key(24, "hash 24", HashWithExpiryValue(true, kNow - 1));
  file.Key(25, "hash 25", LittleEndian(kNow - 1, 8) + HashWithExpiryListpack());
  file.Key(7, "module", ModuleNumber("ReJSON-RL", 3) + ModuleData());
  file.Key(15, "stream", StreamValue(1)).Key(19, "stream 2", StreamValue(2));
  file.Key(21, "stream 3", StreamValue(3)).Key(26, "stream 4", StreamValue(4));
  file.Key(27, "stream 5", StreamValue(5));
  file.Key(0, "last", Text("x"));
  return file;
}

TEST(RdbReaderTest, ReadsEveryTypeAndPassesOverTheRest) {
  const Import import = Read(RichFile().Bytes());
  ASSERT_TRUE(import.summary.ok()) << import.summary.status();
  const std::map<std::string, std::string> expected = {
      {"text", "string text"},
      {"compressed", "string " + std::string(kUncompressedText)},
      {"int8", "string -1"},
      {"int16", "string -32768"},
      {"int32", "string 1"},
      {"list", "list a b"},
      {"set", "set a b"},
      {"zset", "zset c=-inf a=1.5 b=inf"},
      {"hash", "hash f=v"},
      {"zset2", "zset a=2.5"},
      {"zipmap", "hash a=1 bb=22"},
      {"list ziplist", "list a b"},
      {"intset", "set -1 5"},
      {"zset ziplist", "zset a=1.5"},
      {"hash ziplist", "hash f=v"},
      {"quicklist", "list a b"},
      {"3:hash listpack", "hash f=v"},
      {"3:zset listpack", "zset a=1.5"},
      {"3:quicklist2", "list a b"},
      {"3:set listpack", "set a"},
      {"3:hash 22", "hash stays=1 expires=2"},
      {"3:hash 23", "hash stays=1 expires=3"},
      {"3:hash 24", "hash stays=1 expires=2"},
      {"3:hash 25", "hash stays=1 expires=3"},
      {"3:last", "string x"},
  };
  EXPECT_EQ(import.keys, expected);
  EXPECT_THAT(import.expiries,
              UnorderedElementsAre(Pair("int16", kNow + 5), Pair("int32", kNow + 5000)));
}

TEST(RdbReaderTest, SumsUpWhatItReadAndWhatItSkipped) {
  const Import import = Read(RichFile().Bytes());
  ASSERT_TRUE(import.summary.ok()) << import.summary.status();
  EXPECT_EQ(import.summary->version, 14);
  EXPECT_EQ(import.summary->redis_version, "8.0.1");
  EXPECT_THAT(import.summary->keys,
              UnorderedElementsAre(Pair("string", 6), Pair("list", 4), Pair("set", 3),
                                   Pair("zset", 4), Pair("hash", 8)));
  EXPECT_EQ(import.summary->expired_keys, 1u);
  EXPECT_EQ(import.summary->expired_hash_fields, 4u);
  EXPECT_THAT(
      import.summary->skipped,
      UnorderedElementsAre(Pair("stream", 5), Pair("module type ReJSON-RL", 1),
                           Pair("data of module type auxiliary", 1), Pair("function library", 1),
                           Pair("key metadata of modules", 1), Pair(kSkippedFieldExpiry, 4)));
  const std::string report = FormatRdbSummary(*import.summary);
  EXPECT_THAT(report, HasSubstr("RDB version 14, written by Redis 8.0.1\n"));
  EXPECT_THAT(report, HasSubstr("imported keys: 25\n"));
  EXPECT_THAT(report, HasSubstr("expired keys: 1\n"));
  EXPECT_THAT(report, HasSubstr("skipped, stream: 5\n"));
  EXPECT_THAT(report, HasSubstr("skipped, hash field expiry: 4 (the fields are kept"));
}

TEST(RdbReaderTest, TheSizeOfThePiecesThatComeChangesNothing) {
  const std::string bytes = RichFile().Bytes();
  const Import whole = Read(bytes);
  for (const size_t piece : {1, 2, 3, 7, 100}) EXPECT_EQ(Read(bytes, piece).keys, whole.keys);
}

TEST(RdbReaderTest, AFileThatEndsAtAnyByteIsAnErrorThatNamesTheOffset) {
  const std::string bytes = RichFile().Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Import import = Read(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(import.summary.ok()) << size;
    ASSERT_THAT(import.error(), HasSubstr(absl::StrCat("offset ", size, ": the file ends")));
  }
}

TEST(RdbReaderTest, AFileInWhichAnyByteChangedIsAnError) {
  const std::string bytes = RichFile().Bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {1, 0x40, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      EXPECT_FALSE(Read(changed).summary.ok()) << i << " " << flip;
    }
  }
}

TEST(RdbReaderTest, DamageThatNoChecksumCatchesIsSurvived) {
  const std::string bytes = RichFile().BytesWithoutChecksum();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; value += 15) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      const Import import = Read(changed);
      EXPECT_TRUE(import.summary.ok() || import.error().starts_with("offset ")) << import.error();
    }
  }
}

TEST(RdbReaderTest, AWrongChecksumIsAnErrorAndNoneIsNot) {
  const RdbFile file = RdbFile().Key(0, "key", Text("x"));
  EXPECT_TRUE(Read(file.BytesWithoutChecksum()).summary.ok());
  std::string wrong = file.Bytes();
  wrong.back() = static_cast<char>(wrong.back() ^ 1);
  EXPECT_THAT(Read(wrong).error(), HasSubstr("checksum"));
}

TEST(RdbReaderTest, VersionsBeforeTheChecksumHaveNone) {
  const std::string bytes = RdbFile("0003").Key(0, "key", Text("x")).BytesWithoutChecksum();
  EXPECT_TRUE(Read(bytes.substr(0, bytes.size() - 8)).summary.ok());
}

TEST(RdbReaderTest, WhatFollowsTheEndIsAnError) {
  EXPECT_THAT(Read(RdbFile().Bytes() + "*1\r\n").error(), HasSubstr("append-only file"));
}

TEST(RdbReaderTest, RefusesOtherFilesAndNewerVersions) {
  EXPECT_THAT(Read("VALKEY080").error(), HasSubstr("not an RDB file"));
  EXPECT_THAT(Read("REDIS00x1").error(), HasSubstr("version"));
  EXPECT_THAT(Read("REDIS0000").error(), HasSubstr("version"));
  EXPECT_THAT(Read("REDIS0099").error(), HasSubstr("version 99"));
}

TEST(RdbReaderTest, ADatabaseThatDoesNotExistNamesTheOption) {
  EXPECT_TRUE(Read(RdbFile().Byte(254).Raw(Length(15)).Bytes()).summary.ok());
  const Import import = Read(RdbFile().Byte(254).Raw(Length(16)).Bytes());
  EXPECT_THAT(import.error(), HasSubstr("database 16"));
  EXPECT_THAT(import.error(), HasSubstr("databases is 16"));
}

TEST(RdbReaderTest, WhatCannotBePassedOverIsAnError) {
  EXPECT_THAT(Read(RdbFile().Key(8, "key", "").Bytes()).error(), HasSubstr("unknown type 8"));
  EXPECT_THAT(Read(RdbFile().Key(28, "key", "").Bytes()).error(), HasSubstr("unknown type 28"));
  EXPECT_THAT(Read(RdbFile().Byte(242).Bytes()).error(), HasSubstr("unknown type 242"));
  EXPECT_THAT(Read(RdbFile().Byte(246).Bytes()).error(), HasSubstr("function"));
  EXPECT_THAT(ReadValue(6, Length(1)), HasSubstr("module"));
  EXPECT_THAT(ReadValue(7, ModuleNumber("ReJSON-RL", 3) + Length(6)), HasSubstr("opcode 6"));
}

TEST(RdbReaderTest, AnErrorInAValueNamesTheKey) {
  const Import import = Read(RdbFile().Byte(254).Raw(Length(3)).Key(0, "k\x01y", "\xff").Bytes());
  EXPECT_THAT(import.error(), HasSubstr("in the value of key \"k\\x01y\" of database 3"));
}

TEST(RdbReaderTest, ReadsIntegersInStringsAsRedisDoes) {
  const Import import =
      Read(RdbFile().Key(0, "integer", Text("12345678901")).Key(0, "text", Text("007")).Bytes());
  EXPECT_EQ(import.encodings.at("integer"), "int");
  EXPECT_EQ(import.encodings.at("text"), "embstr");
}

TEST(RdbReaderTest, ReadsEveryFormOfALength) {
  for (const size_t size : {0, 63, 64, 16383, 16384, 100'000}) {
    const std::string text(size, 'x');
    EXPECT_EQ(ReadValue(0, Text(text)), "string " + text);
    EXPECT_EQ(ReadValue(0, "\x81" + BigEndian(size, 8) + text), "string " + text);
  }
  EXPECT_THAT(ReadValue(0, "\x82"), HasSubstr("length"));
  EXPECT_THAT(ReadValue(0, "\xc4"), HasSubstr("unknown form"));
  EXPECT_THAT(ReadValue(1, "\xc0\x01"), HasSubstr("where a length has to be"));
}

TEST(RdbReaderTest, AHostileLengthCostsNoMemory) {
  EXPECT_THAT(ReadValue(0, Length(UINT64_MAX)), HasSubstr("too long"));
  EXPECT_THAT(ReadValue(0, Length(500u << 20)), HasSubstr("ends"));
  for (const int type : {1, 2, 3, 4, 5, 14, 18, 22}) {
    EXPECT_THAT(ReadValue(type, Length(UINT64_MAX)), HasSubstr("offset")) << type;
  }
  const std::string little = "\xc3" + Length(3) + Length(500u << 20) +
                             "\x01"
                             "ab";
  EXPECT_THAT(ReadValue(0, little), HasSubstr("wrong length"));
  const std::string much = "\xc3" + Length(500u << 20) + Length(500u << 20) +
                           "\x01"
                           "ab";
  EXPECT_THAT(ReadValue(0, much), HasSubstr("ends"));
}

TEST(RdbReaderTest, ADamagedCompressedStringIsAnError) {
  EXPECT_THAT(ReadValue(0, "\xc3" + Length(3) + Length(3) +
                               "\x01"
                               "ab"),
              HasSubstr("damaged"));
  EXPECT_THAT(ReadValue(0, "\xc3" + Length(2) + Length(9) + "\xe0\xff"), HasSubstr("damaged"));
  EXPECT_THAT(ReadValue(0, std::string("\xc3\x00\x00", 3)), HasSubstr("wrong length"));
}

TEST(RdbReaderTest, ReadsEveryEntryOfAZiplist) {
  const std::string medium(300, 'm');
  const std::string large(20'000, 'l');
  const std::string value = Text(Ziplist()
                                     .Add("")
                                     .Add("small")
                                     .Entry(BigEndian(0x4000 | medium.size(), 2) + medium)
                                     .Entry("\x80" + BigEndian(large.size(), 4) + large)
                                     .Entry("\xc0" + LittleEndian(0x8000, 2))
                                     .Entry("\xf0" + LittleEndian(0x800000, 3))
                                     .Entry("\xd0" + LittleEndian(0x80000000, 4))
                                     .Entry("\xe0" + LittleEndian(1ull << 63, 8))
                                     .Entry("\xfe\x80")
                                     .Entry("\xf1")
                                     .Entry("\xfd")
                                     .Bytes());
  EXPECT_EQ(ReadValue(10, value),
            "list  small " + medium + " " + large +
                " -32768 -8388608 -2147483648 -9223372036854775808 -128 0 12");
}

TEST(RdbReaderTest, ReadsEveryEntryOfAListpack) {
  const std::string medium(300, 'm');
  const std::string large(20'000, 'l');
  const std::string value = Text(Listpack()
                                     .Add("")
                                     .Add("small")
                                     .Entry(BigEndian(0xe000 | medium.size(), 2) + medium)
                                     .Entry("\xf0" + LittleEndian(large.size(), 4) + large)
                                     .Entry("\x7f")
                                     .Entry(std::string("\xd0\x00", 2))
                                     .Entry("\xcf\xff")
                                     .Entry("\xf1" + LittleEndian(0x8000, 2))
                                     .Entry("\xf2" + LittleEndian(0x800000, 3))
                                     .Entry("\xf3" + LittleEndian(0x80000000, 4))
                                     .Entry("\xf4" + LittleEndian(1ull << 63, 8))
                                     .Bytes());
  EXPECT_EQ(ReadValue(18, Length(1) + Length(2) + value),
            "list  small " + medium + " " + large +
                " 127 -4096 4095 -32768 -8388608 -2147483648 -9223372036854775808");
}

TEST(RdbReaderTest, ReadsEveryWidthOfAnIntset) {
  EXPECT_EQ(ReadValue(11, IntsetValue(2, {-32768, 3})), "set -32768 3");
  EXPECT_EQ(ReadValue(11, IntsetValue(4, {-2147483648, 3})), "set -2147483648 3");
  EXPECT_EQ(ReadValue(11, IntsetValue(8, {INT64_MIN, INT64_MAX})),
            "set -9223372036854775808 9223372036854775807");
}

TEST(RdbReaderTest, APackedEncodingThatContradictsItselfIsAnError) {
  const auto changed = [](std::string bytes, size_t at, char to) {
    bytes[at] = to;
    return Text(bytes);
  };
  const std::string ziplist = Ziplist().Add("a").Add("b").Bytes();
  EXPECT_THAT(ReadValue(10, changed(ziplist, 0, 1)), HasSubstr("ziplist is damaged"));  // Size.
  EXPECT_THAT(ReadValue(10, changed(ziplist, 8, 3)), HasSubstr("ziplist is damaged"));  // Count.
  EXPECT_THAT(ReadValue(10, changed(ziplist, 13, 4)),
              HasSubstr("ziplist is damaged"));  // Previous.
  EXPECT_THAT(ReadValue(10, changed(ziplist, 14, 5)), HasSubstr("ziplist is damaged"));  // Length.
  EXPECT_THAT(ReadValue(10, changed(ziplist, ziplist.size() - 1, 0)), HasSubstr("damaged"));
  EXPECT_THAT(ReadValue(13, Text(Ziplist().Add("f").Bytes())), HasSubstr("ziplist is damaged"));
  const std::string listpack = Listpack().Add("a").Add("b").Bytes();
  EXPECT_THAT(ReadValue(20, changed(listpack, 0, 1)), HasSubstr("listpack is damaged"));
  EXPECT_THAT(ReadValue(20, changed(listpack, 4, 3)), HasSubstr("listpack is damaged"));
  EXPECT_THAT(ReadValue(20, changed(listpack, 8, 4)), HasSubstr("listpack is damaged"));
  EXPECT_THAT(ReadValue(20, changed(listpack, 6, '\xff')), HasSubstr("listpack is damaged"));
  EXPECT_THAT(ReadValue(25, LittleEndian(0, 8) + Text(listpack)), HasSubstr("listpack is damaged"));
  EXPECT_THAT(ReadValue(11, Text(LittleEndian(3, 4) + LittleEndian(0, 4))), HasSubstr("intset"));
  EXPECT_THAT(ReadValue(11, Text(LittleEndian(2, 4) + LittleEndian(9, 4))), HasSubstr("intset"));
  EXPECT_THAT(ReadValue(9, Text("\x01\x01"
                                "a\x01")),
              HasSubstr("zipmap is damaged"));
  EXPECT_THAT(ReadValue(18, Length(1) + Length(3) + Text("x")), HasSubstr("quicklist"));
  for (const int type : {9, 10, 11, 12, 13, 16, 17, 20, 23}) {
    EXPECT_THAT(ReadValue(type, Text("")), HasSubstr("damaged")) << type;
  }
}

TEST(RdbReaderTest, WhatIsThereTwiceIsAnError) {
  const std::string twice = Text("a") + Text("a");
  EXPECT_THAT(ReadValue(2, Length(2) + twice), HasSubstr("twice"));
  EXPECT_THAT(ReadValue(4, Length(2) + twice + twice), HasSubstr("twice"));
  EXPECT_THAT(ReadValue(5, Length(2) + Text("a") + Double(1) + Text("a") + Double(2)),
              HasSubstr("twice"));
  EXPECT_THAT(ReadValue(11, IntsetValue(2, {1, 1})), HasSubstr("twice"));
  EXPECT_THAT(ReadValue(20, Text(Listpack().Add("a").Add("a").Bytes())), HasSubstr("twice"));
}

TEST(RdbReaderTest, AScoreIsANumber) {
  EXPECT_THAT(ReadValue(3, Length(1) + Text("a") + "\xfd"), HasSubstr("not a number"));
  EXPECT_THAT(ReadValue(3, Length(1) + Text("a") + "\x01x"), HasSubstr("not a number"));
  EXPECT_THAT(ReadValue(5, Length(1) + Text("a") + Double(NAN)), HasSubstr("not a number"));
  EXPECT_THAT(ReadValue(17, Text(Listpack().Add("a").Add("x").Bytes())), HasSubstr("not a number"));
}

TEST(RdbReaderTest, AValueWithoutElementsIsLeftOutAsRedisDoes) {
  EXPECT_EQ(ReadValue(1, Length(0)), "nothing");
  EXPECT_EQ(ReadValue(2, Length(0)), "nothing");
  EXPECT_EQ(ReadValue(16, Text(Listpack().Bytes())), "nothing");
  EXPECT_THAT(Read(RdbFile().Key(4, "key", Length(0)).Bytes()).summary->skipped,
              ElementsAre(Pair("key without elements", 1)));
}

TEST(RdbReaderTest, AnExpiryIsThatOfTheNextKeyOnly) {
  const Import import = Read(RdbFile()
                                 .Byte(252)
                                 .Raw(LittleEndian(kNow + 1, 8))
                                 .Key(15, "stream", StreamValue(1))
                                 .Key(0, "key", Text("x"))
                                 .Bytes());
  EXPECT_THAT(import.keys, ElementsAre(Pair("key", "string x")));
  EXPECT_THAT(import.expiries, IsEmpty());
}

TEST(RdbReaderTest, AnExpiryBefore1970IsOver) {
  const Import import =
      Read(RdbFile().Byte(252).Raw(LittleEndian(UINT64_MAX, 8)).Key(0, "key", Text("x")).Bytes());
  EXPECT_THAT(import.keys, IsEmpty());
  EXPECT_EQ(import.summary->expired_keys, 1u);
}

TEST(RdbReaderTest, LargeValuesTakeTheirLargeEncodings) {
  std::string set = Length(3000);
  std::string list = Length(3000);
  for (int i = 0; i < 3000; ++i) {
    set += Text("member " + std::to_string(i));
    list += Text("a longer element " + std::to_string(i));
  }
  const Import import = Read(RdbFile().Key(2, "set", set).Key(1, "list", list).Bytes());
  EXPECT_EQ(import.encodings.at("set"), "hashtable");
  EXPECT_EQ(import.encodings.at("list"), "quicklist");
}

TEST(RdbReaderTest, AnErrorOfTheSinkOrTheSourceIsTheReaders) {
  const std::string bytes = RdbFile().Key(0, "key", Text("x")).Bytes();
  bool given = false;
  const auto source = [&](std::span<char> room) -> absl::StatusOr<size_t> {
    return std::exchange(given, true) ? 0 : bytes.copy(room.data(), room.size());
  };
  const auto full = [](int, Entry::Pointer, int64_t) {
    return absl::ResourceExhaustedError("full");
  };
  EXPECT_EQ(ReadRdb(source, kDatabases, kNow, full).status(), absl::ResourceExhaustedError("full"));

  const auto broken = [](std::span<char>) -> absl::StatusOr<size_t> {
    return absl::DataLossError("the disk");
  };
  EXPECT_EQ(ReadRdb(broken, kDatabases, kNow, full).status(), absl::DataLossError("the disk"));
}

TEST(RdbReaderTest, ReadsAFileByItsPath) {
  const std::string path = testing::TempDir() + "/rdb_reader_test.rdb";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  const std::string bytes = RdbFile().Key(0, "key", Text(std::string(200'000, 'x'))).Bytes();
  ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  std::fclose(file);
  size_t size = 0;
  const auto sink = [&](int, Entry::Pointer entry, int64_t) {
    size = entry->StringSize();
    return absl::OkStatus();
  };
  EXPECT_TRUE(ReadRdb(path, kDatabases, kNow, sink).ok());
  EXPECT_EQ(size, 200'000u);
  std::remove(path.c_str());
  EXPECT_THAT(std::string(ReadRdb(path, kDatabases, kNow, sink).status().message()),
              HasSubstr(path));
  EXPECT_FALSE(ReadRdb(testing::TempDir(), kDatabases, kNow, sink).ok());
}

}  // namespace
}  // namespace chorale
