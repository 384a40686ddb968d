#include "storage/keyspace_walk.h"

#include <map>
#include <random>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace chorale {
namespace {

constexpr int64_t kNow = 1'000'000;

class KeyspaceWalkTest : public testing::Test {
 protected:
  // Runs `work` under a token that holds every shard.
  template <typename Work>
  void WithAll(Work work, int64_t now_ms = kNow) {
    LockedKeys keys(store_, now_ms);
    keys.Lock(Store::kAllShards);
    work(keys);
  }
  void Fill(const std::string& prefix, int count, int db = 0) {
    WithAll([&](LockedKeys& keys) {
      for (int i = 0; i < count; ++i) keys.SetString(db, prefix + std::to_string(i), "v");
    });
  }
  // One call of SCAN; returns the next cursor.
  uint64_t Step(uint64_t cursor, size_t count, std::multiset<std::string>& seen, int db = 0) {
    WithAll([&](LockedKeys& keys) {
      cursor = ScanKeys(keys, db, cursor, count,
                        [&](const Entry* entry) { seen.emplace(entry->key()); });
    });
    return cursor;
  }
  std::multiset<std::string> Walk(size_t count, int db = 0) {
    std::multiset<std::string> seen;
    uint64_t cursor = 0;
    do {
      cursor = Step(cursor, count, seen, db);
    } while (cursor != 0);
    return seen;
  }

  Store store_{2};
  std::mt19937_64 random_{7};
};

TEST_F(KeyspaceWalkTest, VisitsEveryKeyOfAQuietDatabaseOnce) {
  Fill("key", 5000);
  for (const size_t count : {1, 10, 333, 100000}) {
    const auto seen = Walk(count);
    EXPECT_EQ(seen.size(), 5000u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 5000u);
  }
}

TEST_F(KeyspaceWalkTest, StaysInItsDatabase) {
  Fill("zero", 50, 0);
  Fill("one", 70, 1);
  EXPECT_EQ(Walk(10, 0).size(), 50u);
  EXPECT_EQ(Walk(10, 1).size(), 70u);
}

TEST_F(KeyspaceWalkTest, GoesOnToFurtherShardsUntilTheCountIsMet) {
  Fill("key", 1000);
  std::multiset<std::string> seen;
  const uint64_t next = Step(0, 500, seen);
  EXPECT_NE(next, 0u);
  EXPECT_GE(seen.size(), 500u);
  EXPECT_LT(seen.size(), 550u);
}

TEST_F(KeyspaceWalkTest, EndsAtOnceInAnEmptyDatabase) {
  std::multiset<std::string> seen;
  EXPECT_EQ(Step(0, 10, seen), 0u);
  EXPECT_TRUE(seen.empty());
}

TEST_F(KeyspaceWalkTest, VisitsAFewKeysInAFewSteps) {
  Fill("key", 5);
  std::multiset<std::string> seen;
  EXPECT_EQ(Step(0, 10, seen), 0u);
  EXPECT_EQ(seen.size(), 5u);
}

TEST_F(KeyspaceWalkTest, TakesAnyNumberAsACursor) {
  Fill("key", 1000);
  for (int i = 0; i < 100; ++i) {
    std::multiset<std::string> seen;
    uint64_t cursor = random_();
    for (int steps = 0; steps < 100000; ++steps) {
      cursor = Step(cursor, 100, seen);
      if (cursor == 0) break;
    }
    EXPECT_EQ(cursor, 0u);
  }
}

TEST_F(KeyspaceWalkTest, FindsEveryKeyThatStaysWhileOthersComeAndGo) {
  for (int round = 0; round < 4; ++round) {
    WithAll([](LockedKeys& keys) { keys.Flush(0); });
    Fill("stays", 500);
    std::multiset<std::string> seen;
    uint64_t cursor = 0;
    int present = 0;
    do {
      cursor = Step(cursor, 1 + random_() % 30, seen);
      // The tables grow and shrink by large factors in between.
      const int wanted = random_() % 5 == 0 ? static_cast<int>(random_() % 4000) : present;
      WithAll([&](LockedKeys& keys) {
        for (; present < wanted; ++present) {
          keys.SetString(0, "comes" + std::to_string(present), "v");
        }
        for (; present > wanted; --present) {
          keys.Delete(0, "comes" + std::to_string(present - 1));
        }
      });
    } while (cursor != 0);
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(seen.contains("stays" + std::to_string(i))) << "round " << round;
    }
  }
}

TEST_F(KeyspaceWalkTest, PassesOverKeysWhoseTimeHasPassed) {
  Fill("key", 20);
  WithAll([](LockedKeys& keys) { keys.SetExpiry(0, keys.Find(0, "key3"), kNow + 5); });
  size_t visited = 0;
  WithAll(
      [&](LockedKeys& keys) {
        EXPECT_EQ(ScanKeys(keys, 0, 0, 1000, [&](const Entry*) { ++visited; }), 0u);
      },
      kNow + 5);
  EXPECT_EQ(visited, 19u);
}

TEST_F(KeyspaceWalkTest, DrawsEveryKeyNowAndThen) {
  Fill("key", 100);
  std::map<std::string, int> drawn;
  WithAll([&](LockedKeys& keys) {
    for (int i = 0; i < 20000; ++i) {
      ++drawn[std::string(RandomKey(keys, 0, [this] { return random_(); })->key())];
    }
  });
  EXPECT_EQ(drawn.size(), 100u);
  // 200 are expected of each; a key that shares its bucket is drawn less often.
  for (const auto& [key, times] : drawn) EXPECT_GT(times, 30) << key;
}

TEST_F(KeyspaceWalkTest, DrawsNoKeyWhoseTimeHasPassed) {
  Fill("key", 3);
  WithAll([](LockedKeys& keys) {
    keys.SetExpiry(0, keys.Find(0, "key0"), kNow + 5);
    keys.SetExpiry(0, keys.Find(0, "key1"), kNow + 5);
  });
  WithAll(
      [&](LockedKeys& keys) {
        EXPECT_EQ(RandomKey(keys, 0, [this] { return random_(); })->key(), "key2");
      },
      kNow + 5);
  WithAll(
      [&](LockedKeys& keys) {
        keys.Delete(0, "key2");
        EXPECT_EQ(RandomKey(keys, 0, [this] { return random_(); }), nullptr);
      },
      kNow + 5);
}

}  // namespace
}  // namespace chorale
