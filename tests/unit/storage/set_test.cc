#include "storage/set.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/encoding_limits.h"

namespace chorale {
namespace {

using Members = std::set<std::string>;

Members Contents(const Set& set) {
  Members all;
  set.ForEach([&](std::string_view member) { EXPECT_TRUE(all.emplace(member).second) << member; });
  return all;
}

Set OfIntegers(int count) {
  Set set;
  for (int i = 0; i < count; ++i) set.Add(std::to_string(i));
  return set;
}

Set OfStrings(int count) {
  Set set;
  for (int i = 0; i < count; ++i) set.Add("member" + std::to_string(i));
  return set;
}

TEST(SetTest, IntegersAreKeptSortedUpToTheLimit) {
  Set set;
  for (const char* member : {"5", "-7", "100000", "9223372036854775807", "-9223372036854775808"}) {
    EXPECT_TRUE(set.Add(member));
  }
  EXPECT_FALSE(set.Add("5"));
  EXPECT_EQ(set.encoding(), "intset");
  std::string order;
  set.ForEach([&](std::string_view member) { order.append(member).append(" "); });
  EXPECT_EQ(order, "-9223372036854775808 -7 5 100000 9223372036854775807 ");
  set = OfIntegers(512);
  EXPECT_EQ(set.encoding(), "intset");
  set.Add("512");
  EXPECT_EQ(set.encoding(), "hashtable");
  EXPECT_EQ(set.size(), 513u);
}

TEST(SetTest, OnlyCanonicalIntegersAreIntegers) {
  for (const char* member : {"", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "1.0"}) {
    Set set;
    set.Add(member);
    EXPECT_EQ(set.encoding(), "listpack") << member;
    EXPECT_TRUE(set.Contains(member));
  }
}

TEST(SetTest, AStringAmongFewIntegersGivesAListpack) {
  Set set = OfIntegers(127);
  set.Add("x");
  EXPECT_EQ(set.encoding(), "listpack");
  EXPECT_TRUE(set.Contains("126"));
  set = OfIntegers(128);
  set.Add("x");
  EXPECT_EQ(set.encoding(), "hashtable");
  EXPECT_EQ(set.size(), 129u);
}

TEST(SetTest, AListpackEndsAtItsLimits) {
  Set set = OfStrings(128);
  EXPECT_EQ(set.encoding(), "listpack");
  EXPECT_FALSE(set.Add("member7"));
  EXPECT_EQ(set.encoding(), "listpack");
  set.Add("x");
  EXPECT_EQ(set.encoding(), "hashtable");
  Set with_long;
  with_long.Add(std::string(64, 'x'));
  EXPECT_EQ(with_long.encoding(), "listpack");
  with_long.Add(std::string(65, 'x'));
  EXPECT_EQ(with_long.encoding(), "hashtable");
}

TEST(SetTest, AListpackKeepsTheOrderOfInsertion) {
  Set set;
  for (const char* member : {"z", "a", "m"}) set.Add(member);
  set.Remove("a");
  set.Add("a");
  std::string order;
  set.ForEach([&](std::string_view member) { order += member; });
  EXPECT_EQ(order, "zma");
}

TEST(SetTest, AnExpectedLargeSetBeginsAsATable) {
  Set set(1000);
  EXPECT_EQ(set.encoding(), "hashtable");
  set.Add("1");
  EXPECT_EQ(Contents(set), Members{"1"});
}

TEST(SetTest, IterationStopsWhenAsked) {
  const Set sets[] = {OfIntegers(100), OfStrings(100), OfStrings(1000)};
  for (const Set& set : sets) {
    int seen = 0;
    set.ForEachWhile([&](std::string_view) { return ++seen < 10; });
    EXPECT_EQ(seen, 10) << set.encoding();
  }
}

TEST(SetTest, AScanReturnsEveryMember) {
  const Set sets[] = {OfIntegers(500), OfStrings(100), OfStrings(1000)};
  for (const Set& set : sets) {
    Members seen;
    uint64_t cursor = 0;
    int calls = 0;
    do {
      cursor = set.Scan(cursor, 10, [&](std::string_view member) { seen.emplace(member); });
      ++calls;
    } while (cursor != 0);
    EXPECT_EQ(seen, Contents(set));
    EXPECT_EQ(calls > 1, set.encoding() == "hashtable");
  }
}

TEST(SetTest, SamplesAndPopsHaveDifferentMembers) {
  std::mt19937_64 random(3);
  const auto bits = [&] { return uint64_t{random()}; };
  for (const size_t count : {1, 20, 90, 5000}) {
    Set sets[] = {OfIntegers(100), OfStrings(100), OfStrings(1000)};
    for (Set& set : sets) {
      const Members all = Contents(set);
      Members sampled;
      set.VisitSample(count, bits, [&](std::string_view member) {
        EXPECT_TRUE(set.Contains(member));
        EXPECT_TRUE(sampled.emplace(member).second);
      });
      EXPECT_EQ(sampled.size(), std::min(count, all.size()));
      Members popped;
      set.PopRandom(count, bits,
                    [&](std::string_view member) { EXPECT_TRUE(popped.emplace(member).second); });
      EXPECT_EQ(popped.size(), std::min(count, all.size()));
      Members left = Contents(set);
      EXPECT_EQ(left.size(), all.size() - popped.size());
      left.merge(popped);
      EXPECT_EQ(left, all);
    }
  }
}

TEST(SetTest, EveryMemberIsChosenAtRandom) {
  std::mt19937_64 random(3);
  const Set sets[] = {OfIntegers(20), OfStrings(20), OfStrings(200)};
  for (const Set& set : sets) {
    Members seen;
    for (size_t i = 0; i < set.size() * 50; ++i) {
      set.VisitRandom([&] { return uint64_t{random()}; },
                      [&](std::string_view member) { seen.emplace(member); });
    }
    EXPECT_EQ(seen, Contents(set));
  }
}

TEST(SetTest, BehavesLikeAStdSet) {
  std::mt19937_64 random(11);
  for (const uint64_t strings_from : {1000, 800, 0}) {
    for (const uint64_t range : {100, 1000}) {
      Set set;
      Members model;
      for (int step = 0; step < 20000; ++step) {
        const uint64_t number = random() % range;
        const std::string member = (number >= strings_from ? "m" : "") + std::to_string(number);
        if (random() % 3 != 0) {
          ASSERT_EQ(set.Add(member), model.insert(member).second);
        } else {
          ASSERT_EQ(set.Remove(member), model.erase(member) == 1);
        }
        const std::string other = std::to_string(random() % range);
        ASSERT_EQ(set.Contains(other), model.contains(other));
        ASSERT_EQ(set.size(), model.size());
        if (step % 1000 == 0) {
          ASSERT_EQ(Contents(set), model);
          ASSERT_EQ(Contents(set.Clone()), model);
        }
      }
    }
  }
}

TEST(SetTest, SmallIntegersTakeTwoBytes) {
  EXPECT_LE(OfIntegers(500).MemoryUsage(), 500u * 2 + 80);
}

}  // namespace
}  // namespace chorale
