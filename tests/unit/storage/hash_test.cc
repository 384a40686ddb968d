#include "storage/hash.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/encoding_limits.h"

namespace chorale {
namespace {

using Fields = std::map<std::string, std::string>;

Fields Contents(const Hash& hash) {
  Fields all;
  hash.ForEach([&](std::string_view field, std::string_view value) {
    EXPECT_TRUE(all.emplace(field, value).second) << field;
  });
  return all;
}

Hash WithFields(int count) {
  Hash hash;
  for (int i = 0; i < count; ++i) hash.Set("field" + std::to_string(i), std::to_string(i));
  return hash;
}

TEST(HashTest, SetsReplacesAndRemovesFields) {
  Hash hash;
  EXPECT_TRUE(hash.Set("f", "1"));
  EXPECT_FALSE(hash.Set("f", "a longer value"));
  EXPECT_EQ(hash.Get("f"), "a longer value");
  EXPECT_EQ(hash.Get("g"), std::nullopt);
  EXPECT_FALSE(hash.Remove("g"));
  EXPECT_TRUE(hash.Remove("f"));
  EXPECT_EQ(hash.size(), 0u);
}

TEST(HashTest, AFieldIsNotFoundByAValue) {
  Hash hash;
  hash.Set("a", "b");
  EXPECT_FALSE(hash.Contains("b"));
}

TEST(HashTest, APackedHashKeepsTheOrderOfInsertion) {
  Hash hash;
  for (const char* field : {"z", "a", "m"}) hash.Set(field, "1");
  hash.Set("a", "changed");
  std::string order;
  hash.ForEach([&](std::string_view field, std::string_view) { order += field; });
  EXPECT_EQ(order, "zam");
}

TEST(HashTest, BecomesATableBeyondTheEntryLimitAndStaysOne) {
  Hash hash = WithFields(128);
  EXPECT_EQ(hash.encoding(), "listpack");
  hash.Set("field5", "again");
  EXPECT_EQ(hash.encoding(), "listpack");
  hash.Set("one more", "1");
  EXPECT_EQ(hash.encoding(), "hashtable");
  EXPECT_EQ(hash.size(), 129u);
  for (int i = 0; i < 128; ++i) hash.Remove("field" + std::to_string(i));
  EXPECT_EQ(hash.encoding(), "hashtable");
  EXPECT_EQ(hash.Get("one more"), "1");
}

TEST(HashTest, BecomesATableWithALongFieldOrValue) {
  Hash hash;
  hash.Set(std::string(64, 'f'), std::string(64, 'v'));
  EXPECT_EQ(hash.encoding(), "listpack");
  Hash long_value = hash.Clone();
  long_value.Set("f", std::string(65, 'v'));
  EXPECT_EQ(long_value.encoding(), "hashtable");
  Hash long_field = hash.Clone();
  long_field.Set(std::string(65, 'f'), "v");
  EXPECT_EQ(long_field.encoding(), "hashtable");
}

TEST(HashTest, FollowsAChangedLimit) {
  g_encoding_limits.hash_max_listpack_entries = 2;
  g_encoding_limits.hash_max_listpack_value = 1000;
  Hash hash;
  hash.Set("a", std::string(900, 'x'));
  hash.Set("b", std::string(300, 'y'));
  EXPECT_EQ(hash.encoding(), "listpack");
  EXPECT_EQ(hash.Get("a"), std::string(900, 'x'));
  EXPECT_EQ(hash.Get("b"), std::string(300, 'y'));
  hash.Set("c", "");
  EXPECT_EQ(hash.encoding(), "hashtable");
  g_encoding_limits.hash_max_listpack_entries = 128;
  g_encoding_limits.hash_max_listpack_value = 64;
}

TEST(HashTest, AScanReturnsEveryFieldOfALargeHash) {
  const Hash hash = WithFields(1000);
  Fields seen;
  uint64_t cursor = 0;
  int calls = 0;
  do {
    cursor = hash.Scan(cursor, 10, [&](std::string_view field, std::string_view value) {
      seen.emplace(field, value);
    });
    ++calls;
  } while (cursor != 0);
  EXPECT_EQ(seen, Contents(hash));
  EXPECT_GT(calls, 50);
}

TEST(HashTest, AScanOfAPackedHashIsWhole) {
  const Hash hash = WithFields(100);
  size_t seen = 0;
  EXPECT_EQ(hash.Scan(0, 10, [&](std::string_view, std::string_view) { ++seen; }), 0u);
  EXPECT_EQ(seen, 100u);
}

TEST(HashTest, ASampleHasDifferentFields) {
  std::mt19937_64 random(7);
  const auto bits = [&] { return uint64_t{random()}; };
  for (const int size : {20, 500}) {
    const Hash hash = WithFields(size);
    for (const size_t count : {1, 5, 19, 300, 1000}) {
      std::set<std::string> seen;
      hash.VisitSample(count, bits, [&](std::string_view field, std::string_view value) {
        EXPECT_TRUE(seen.emplace(field).second);
        EXPECT_EQ(hash.Get(field), value);
      });
      EXPECT_EQ(seen.size(), std::min(count, hash.size()));
    }
  }
}

TEST(HashTest, EveryFieldIsChosenAtRandom) {
  std::mt19937_64 random(7);
  for (const int size : {10, 200}) {
    const Hash hash = WithFields(size);
    std::set<std::string> seen;
    for (int i = 0; i < size * 50; ++i) {
      hash.VisitRandom([&] { return uint64_t{random()}; },
                       [&](std::string_view field, std::string_view) { seen.emplace(field); });
    }
    EXPECT_EQ(seen.size(), hash.size());
  }
}

TEST(HashTest, BehavesLikeAMap) {
  std::mt19937_64 random(99);
  for (const uint64_t fields : {60, 400}) {
    Hash hash;
    Fields model;
    for (int step = 0; step < 30000; ++step) {
      const std::string field = "f" + std::to_string(random() % fields);
      const std::string value(random() % 60, 'v');
      switch (random() % 4) {
        case 0:
        case 1:
          ASSERT_EQ(hash.Set(field, value), model.insert_or_assign(field, value).second);
          break;
        case 2:
          ASSERT_EQ(hash.Remove(field), model.erase(field) == 1);
          break;
        default:
          ASSERT_EQ(hash.Contains(field), model.contains(field));
          if (model.contains(field)) {
            ASSERT_EQ(hash.Get(field), model[field]);
          }
      }
      ASSERT_EQ(hash.size(), model.size());
      if (step % 1000 == 0) {
        ASSERT_EQ(Contents(hash), model);
        ASSERT_EQ(Contents(hash.Clone()), model);
      }
    }
  }
}

TEST(HashTest, MemoryUsageGoesBackWhenFieldsGo) {
  Hash hash = WithFields(1000);
  const size_t full = hash.MemoryUsage();
  EXPECT_GT(full, 1000u * 24);
  for (int i = 0; i < 900; ++i) hash.Remove("field" + std::to_string(i));
  EXPECT_LT(hash.MemoryUsage(), full / 2);
}

}  // namespace
}  // namespace chorale
