#include "storage/sorted_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/encoding_limits.h"

namespace chorale {
namespace {

using Outcome = SortedSet::AddOutcome;
using Entry = std::pair<double, std::string>;
using Entries = std::vector<Entry>;
using Kind = LexBound::Kind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Entries Read(const SortedSet& set, RankRange range, bool reverse = false) {
  Entries entries;
  set.ForEach(range, reverse,
              [&](std::string_view member, double score) { entries.emplace_back(score, member); });
  return entries;
}
Entries Contents(const SortedSet& set) { return Read(set, {0, set.size()}); }

SortedSet WithMembers(int count) {
  SortedSet set;
  for (int i = 0; i < count; ++i) set.Add("member" + std::to_string(i), i);
  return set;
}

Outcome Add(SortedSet& set, std::string_view member, double score,
            SortedSet::AddOptions options = {}) {
  return set.Add(member, score, options).outcome;
}

TEST(SortedSetTest, OrdersByScoreThenByBytes) {
  SortedSet set;
  set.Add("b", 1);
  set.Add("a", 2);
  set.Add("a\xff", 1);
  set.Add("", 1);
  EXPECT_EQ(Contents(set), (Entries{{1, ""}, {1, "a\xff"}, {1, "b"}, {2, "a"}}));
  EXPECT_EQ(set.Rank("b"), 2u);
  EXPECT_EQ(set.Score("a"), 2);
  EXPECT_EQ(set.Rank("nobody"), std::nullopt);
  EXPECT_EQ(set.Score("nobody"), std::nullopt);
}

TEST(SortedSetTest, AddSaysWhatItDid) {
  SortedSet sets[] = {WithMembers(3), WithMembers(300)};
  for (SortedSet& set : sets) {
    EXPECT_EQ(Add(set, "x", 1), Outcome::kAdded);
    EXPECT_EQ(Add(set, "x", 1), Outcome::kUnchanged);
    EXPECT_EQ(Add(set, "x", 2), Outcome::kUpdated);
    EXPECT_EQ(Add(set, "x", 3, {.only_new = true}), Outcome::kSkipped);
    EXPECT_EQ(Add(set, "y", 3, {.only_existing = true}), Outcome::kSkipped);
    EXPECT_EQ(Add(set, "y", 3, {.only_new = true}), Outcome::kAdded);
    EXPECT_EQ(Add(set, "x", 2, {.only_greater = true}), Outcome::kSkipped);
    EXPECT_EQ(Add(set, "x", 3, {.only_greater = true}), Outcome::kUpdated);
    EXPECT_EQ(Add(set, "x", 4, {.only_less = true}), Outcome::kSkipped);
    EXPECT_EQ(Add(set, "x", 1, {.only_less = true}), Outcome::kUpdated);
    EXPECT_EQ(Add(set, "z", 1, {.only_greater = true}), Outcome::kAdded);
    EXPECT_EQ(set.Add("x", 5, {.increment = true}).score, 6);
    EXPECT_EQ(set.Add("new", 5, {.increment = true}).score, 5);
    EXPECT_EQ(set.Score("x"), 6);
  }
}

TEST(SortedSetTest, AnIncrementToNaNChangesNothing) {
  SortedSet set;
  set.Add("x", kInfinity);
  EXPECT_EQ(Add(set, "x", -kInfinity, {.increment = true}), Outcome::kNotANumber);
  EXPECT_EQ(set.Score("x"), kInfinity);
}

TEST(SortedSetTest, KeepsEveryFormOfScoreExactly) {
  const double scores[] = {0,          1,           -1,           127,        128,
                           -128,       -129,        32767,        32768,      -32769,
                           2147483647, 2147483648., -2147483649., 0.5,        1e300,
                           -1e300,     5e-324,      kInfinity,    -kInfinity, 1700000000.123456,
                           1e21};
  SortedSet set;
  for (size_t i = 0; i < std::size(scores); ++i) set.Add(std::to_string(i), scores[i]);
  for (size_t i = 0; i < std::size(scores); ++i) {
    EXPECT_EQ(set.Score(std::to_string(i)), scores[i]);
  }
  const Entries entries = Contents(set);
  EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end()));
}

TEST(SortedSetTest, TheZerosAreEqual) {
  SortedSet set;
  set.Add("b", -0.0);
  set.Add("a", 0.0);
  EXPECT_EQ(set.Rank("a"), 0u);
  EXPECT_EQ(Add(set, "b", 0.0), Outcome::kUnchanged);
}

TEST(SortedSetTest, OnlyALargeSetKeepsTheSignOfZero) {
  SortedSet small;
  small.Add("x", -0.0);
  EXPECT_FALSE(std::signbit(small.Score("x").value()));
  SortedSet large = WithMembers(200);
  large.Add("x", -0.0);
  EXPECT_TRUE(std::signbit(large.Score("x").value()));
}

TEST(SortedSetTest, BecomesASkiplistBeyondTheLimitsAndStaysOne) {
  SortedSet set = WithMembers(128);
  EXPECT_EQ(set.encoding(), "listpack");
  set.Add("member0", 7);
  EXPECT_EQ(set.encoding(), "listpack");
  set.Add("x", 1);
  EXPECT_EQ(set.encoding(), "skiplist");
  set.RemoveRange({1, set.size()});
  EXPECT_EQ(set.size(), 1u);
  EXPECT_EQ(set.encoding(), "skiplist");
  SortedSet with_long;
  with_long.Add(std::string(64, 'x'), 1);
  EXPECT_EQ(with_long.encoding(), "listpack");
  with_long.Add(std::string(65, 'x'), 1);
  EXPECT_EQ(with_long.encoding(), "skiplist");
}

TEST(SortedSetTest, PacksMembersOfEveryLength) {
  g_encoding_limits.zset_max_listpack_value = 100000;
  SortedSet set;
  for (const size_t length : {0, 61, 62, 63, 64, 255, 256, 70000}) {
    set.Add(std::string(length, 'x'), static_cast<double>(length));
  }
  EXPECT_EQ(set.encoding(), "listpack");
  for (const auto& [score, member] : Contents(set)) EXPECT_EQ(member.size(), score);
  g_encoding_limits.zset_max_listpack_value = 64;
}

TEST(SortedSetTest, PopsFromEitherEndOutermostFirst) {
  for (const int size : {5, 500}) {
    SortedSet set = WithMembers(size);
    Entries popped;
    const auto take = [&](std::string_view member, double score) {
      popped.emplace_back(score, member);
    };
    set.PopMin(2, take);
    set.PopMax(2, take);
    const std::string last = std::to_string(size - 1);
    const std::string second = std::to_string(size - 2);
    EXPECT_EQ(popped, (Entries{{0, "member0"},
                               {1, "member1"},
                               {size - 1, "member" + last},
                               {size - 2, "member" + second}}));
    set.PopMin(10000, take);
    EXPECT_EQ(set.size(), 0u);
    EXPECT_EQ(popped.size(), static_cast<size_t>(size));
  }
}

TEST(SortedSetTest, FindsRangesOfScores) {
  for (const int size : {100, 1000}) {
    const SortedSet set = WithMembers(size);
    const auto count = [&](const ScoreRange& range) { return set.Ranks(range).size(); };
    EXPECT_EQ(count({-kInfinity, kInfinity}), set.size());
    EXPECT_EQ(count({10, 20}), 11u);
    EXPECT_EQ(count({10, 20, true, false}), 10u);
    EXPECT_EQ(count({10, 20, true, true}), 9u);
    EXPECT_EQ(count({10, 10}), 1u);
    EXPECT_EQ(count({10, 10, true, false}), 0u);
    EXPECT_EQ(count({20, 10}), 0u);
    EXPECT_EQ(count({kInfinity, -kInfinity}), 0u);
    EXPECT_EQ(set.Ranks(ScoreRange{10, 20}).begin, 10u);
  }
}

TEST(SortedSetTest, FindsRangesOfBytes) {
  for (const int size : {26, 26 * 26}) {
    SortedSet set;
    for (int i = 0; i < size; ++i) {
      std::string member(1, static_cast<char>('a' + i % 26));
      if (i >= 26) member += static_cast<char>('a' + i / 26);
      set.Add(member, 0);
    }
    for (const bool reverse : {false, true}) {
      const auto count = [&](LexBound min, LexBound max) {
        return set.Ranks(LexRange{min, max}, reverse).size();
      };
      const size_t per_letter = set.size() / 26;
      const LexBound lowest{Kind::kLowest, {}};
      const LexBound highest{Kind::kHighest, {}};
      EXPECT_EQ(count(lowest, highest), set.size());
      EXPECT_EQ(count(highest, lowest), 0u);
      EXPECT_EQ(count({Kind::kInclusive, "b"}, {Kind::kExclusive, "d"}), 2 * per_letter);
      EXPECT_EQ(count({Kind::kExclusive, "b"}, {Kind::kExclusive, "d"}), 2 * per_letter - 1);
      EXPECT_EQ(count({Kind::kInclusive, "b"}, {Kind::kInclusive, "d"}), 2 * per_letter + 1);
      EXPECT_EQ(count({Kind::kInclusive, "d"}, {Kind::kInclusive, "b"}), 0u);
      EXPECT_EQ(count(lowest, {Kind::kInclusive, "a"}), 1u);
      EXPECT_EQ(count({Kind::kInclusive, "zzz"}, highest), 0u);
    }
  }
}

TEST(SortedSetTest, AScanReturnsEveryMember) {
  for (const int size : {100, 1000}) {
    const SortedSet set = WithMembers(size);
    std::set<Entry> seen;
    uint64_t cursor = 0;
    do {
      cursor = set.Scan(
          cursor, 10, [&](std::string_view member, double score) { seen.emplace(score, member); });
    } while (cursor != 0);
    EXPECT_EQ(Entries(seen.begin(), seen.end()), Contents(set));
  }
}

TEST(SortedSetTest, SamplesHaveDifferentMembers) {
  std::mt19937_64 random(5);
  const auto bits = [&] { return uint64_t{random()}; };
  for (const int size : {100, 1000}) {
    const SortedSet set = WithMembers(size);
    for (const size_t count : {1, 20, 90, 5000}) {
      std::set<std::string> seen;
      set.VisitSample(count, bits, [&](std::string_view member, double score) {
        EXPECT_EQ(set.Score(member), score);
        EXPECT_TRUE(seen.emplace(member).second);
      });
      EXPECT_EQ(seen.size(), std::min(count, set.size()));
    }
    std::set<std::string> chosen;
    for (int i = 0; i < size * 50; ++i) {
      set.VisitRandom(bits, [&](std::string_view member, double) { chosen.emplace(member); });
    }
    EXPECT_EQ(chosen.size(), set.size());
  }
}

TEST(SortedSetTest, AHundredChannelNamesTakeLittleMoreThanTheirBytes) {
  SortedSet set;
  for (int i = 0; i < 100; ++i) {
    set.Add("specific.0123456789abcdef!" + std::to_string(1000 + i), 1700000000.25 + i);
  }
  EXPECT_LE(set.MemoryUsage(), 100u * (30 + 9) + 16);
}

TEST(SortedSetTest, AscendingScoresFillTheIndex) {
  SortedSet set;
  for (int i = 0; i < 128 * 100; ++i) set.Add(std::to_string(i), i);
  const size_t ascending = set.MemoryUsage();
  SortedSet shuffled;
  for (int i = 0; i < 128 * 100; ++i) shuffled.Add(std::to_string(i), i * 7919 % 12800);
  EXPECT_LT(ascending + 50000, shuffled.MemoryUsage());
}

// The same random operations on a SortedSet and on a sorted std::set beside a map.
class SortedSetModelTest : public testing::TestWithParam<uint64_t> {
 protected:
  std::string Member() { return "member" + std::to_string(random_() % GetParam()); }
  double Score() { return static_cast<double>(random_() % 50) - 10; }

  void Add(const std::string& member, double score) {
    const auto present = scores_.find(member);
    const Outcome expected = present == scores_.end()   ? Outcome::kAdded
                             : present->second == score ? Outcome::kUnchanged
                                                        : Outcome::kUpdated;
    ASSERT_EQ(set_.Add(member, score).outcome, expected);
    if (present != scores_.end()) order_.erase({present->second, member});
    order_.emplace(score, member);
    scores_[member] = score;
  }

  void Remove(const std::string& member) {
    const auto present = scores_.find(member);
    ASSERT_EQ(set_.Remove(member), present != scores_.end());
    if (present == scores_.end()) return;
    order_.erase({present->second, member});
    scores_.erase(present);
  }

  RankRange Range(size_t longest) {
    const size_t begin = random_() % (order_.size() + 1);
    return {begin, std::min(order_.size(), begin + random_() % (longest + 1))};
  }

  Entries Expected(RankRange range) {
    const auto begin = std::next(order_.begin(), static_cast<ptrdiff_t>(range.begin));
    return Entries(begin, std::next(begin, static_cast<ptrdiff_t>(range.size())));
  }

  void RemoveRange() {
    const RankRange range = Range(random_() % 50 == 0 ? GetParam() : 10);
    const Entries expected = Expected(range);
    Entries removed;
    set_.RemoveRange(
        range, [&](std::string_view member, double score) { removed.emplace_back(score, member); });
    ASSERT_EQ(removed, expected);
    for (const Entry& entry : expected) {
      order_.erase(entry);
      scores_.erase(entry.second);
    }
  }

  void CheckLookups() {
    const std::string member = Member();
    const auto present = scores_.find(member);
    ASSERT_EQ(set_.Score(member).has_value(), present != scores_.end());
    if (present != scores_.end()) {
      const auto at = order_.find({present->second, member});
      ASSERT_EQ(set_.Rank(member), static_cast<size_t>(std::distance(order_.begin(), at)));
    }
    const double min = Score();
    const double max = Score();
    const auto within = [&](const Entry& e) { return e.first > min && e.first <= max; };
    ASSERT_EQ(set_.Ranks(ScoreRange{min, max, true, false}).size(),
              static_cast<size_t>(std::count_if(order_.begin(), order_.end(), within)));
  }

  void CheckRange() {
    const RankRange range = Range(GetParam());
    Entries expected = Expected(range);
    ASSERT_EQ(Read(set_, range), expected);
    std::reverse(expected.begin(), expected.end());
    ASSERT_EQ(Read(set_, range, true), expected);
  }

  std::mt19937_64 random_{4711};
  SortedSet set_;
  std::set<Entry> order_;
  std::map<std::string, double> scores_;
};

TEST_P(SortedSetModelTest, BehavesLikeAnOrderedSet) {
  for (int step = 0; step < 30000; ++step) {
    switch (random_() % 8) {
      case 0:
        Remove(Member());
        break;
      case 1:
        if (random_() % 4 == 0) RemoveRange();
        break;
      default:
        Add(Member(), Score());
    }
    if (step % 16 == 0) CheckLookups();
    if (step % 256 == 0) CheckRange();
    ASSERT_EQ(set_.size(), order_.size());
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(Contents(set_), Entries(order_.begin(), order_.end()));
  EXPECT_EQ(Contents(set_.Clone()), Contents(set_));
}

INSTANTIATE_TEST_SUITE_P(Sizes, SortedSetModelTest, testing::Values(20, 200, 5000));

}  // namespace
}  // namespace chorale
