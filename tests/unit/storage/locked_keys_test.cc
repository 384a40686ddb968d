#include "storage/locked_keys.h"

#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "storage/list.h"
#include "storage/set.h"

namespace chorale {
namespace {

constexpr int64_t kNow = 1'000'000;

std::string TextOf(LockedKeys& keys, int db, std::string_view key) {
  Entry* entry = keys.Find(db, key);
  if (entry == nullptr) return "(none)";
  IntegerText scratch;
  return std::string(entry->StringValue(scratch));
}

// A waiter that pops the head of a list and remembers what it got.
class ListWaiter final : public Waiter {
 public:
  ListWaiter(std::vector<std::string> keys, std::string target = {})
      : Waiter(0, std::move(keys), ValueType::kList, target) {}

  void Serve(LockedKeys& keys, const std::string& key) override {
    std::string popped;
    {
      Edit<List> list(keys, 0, key, IfAbsent::kLeave);
      popped = list->Front();
      list->PopFront();
    }
    if (!target().empty()) {
      Edit<List>(keys, 0, target(), IfAbsent::kCreate)->PushBack(popped);
    }
    got = key + "=" + popped;
  }

  std::string got;
};

class LockedKeysTest : public testing::Test {
 protected:
  // Runs `work` under a token that holds every shard.
  template <typename Work>
  void WithAll(Work work, int64_t now_ms = kNow) {
    LockedKeys keys(store_, now_ms);
    keys.Lock(Store::kAllShards);
    work(keys);
  }
  void Push(const std::string& key, const std::vector<std::string>& elements) {
    LockedKeys keys(store_, kNow);
    keys.Lock(Store::MaskOf(key));
    Edit<List> list(keys, 0, key, IfAbsent::kCreate);
    for (const std::string& element : elements) list->PushBack(element);
  }
  std::shared_ptr<ListWaiter> Wait(std::vector<std::string> names, std::string target = {}) {
    auto waiter = std::make_shared<ListWaiter>(std::move(names), std::move(target));
    WithAll([&](LockedKeys& keys) { keys.Register(waiter); });
    return waiter;
  }
  bool Exists(const std::string& key) {
    bool exists = false;
    WithAll([&](LockedKeys& keys) { exists = keys.Exists(0, key); });
    return exists;
  }

  Store store_{16};
};

TEST_F(LockedKeysTest, KeepsStringsOfEveryForm) {
  const std::vector<std::string> values = {"",
                                           "0",
                                           "-1",
                                           "007",
                                           "9223372036854775807",
                                           "9223372036854775808",
                                           "a",
                                           " 1",
                                           "+1",
                                           "-0",
                                           std::string(44, 'x'),
                                           std::string(128, 'y'),
                                           std::string(5000, 'z')};
  WithAll([&](LockedKeys& keys) {
    for (const std::string& before : values) {
      for (const std::string& after : values) {
        keys.SetString(0, "key", before);
        keys.SetString(0, "key", after);
        EXPECT_EQ(TextOf(keys, 0, "key"), after) << "after " << before;
      }
    }
  });
}

TEST_F(LockedKeysTest, ShowsRedisEncodingsOfStrings) {
  WithAll([&](LockedKeys& keys) {
    const auto encoding = [&](std::string_view value) {
      keys.SetString(0, "key", value);
      return std::string(keys.Find(0, "key")->encoding());
    };
    EXPECT_EQ(encoding("12345"), "int");
    EXPECT_EQ(encoding("012"), "embstr");
    EXPECT_EQ(encoding(std::string(44, 'x')), "embstr");
    EXPECT_EQ(encoding(std::string(45, 'x')), "raw");
    keys.SetString(0, "key", "abc");
    keys.Find(0, "key")->MutableString() += "d";
    EXPECT_EQ(keys.Find(0, "key")->encoding(), "raw");
    EXPECT_EQ(TextOf(keys, 0, "key"), "abcd");
  });
}

TEST_F(LockedKeysTest, AKeyIsGoneOnceItsTimeHasPassed) {
  WithAll([&](LockedKeys& keys) {
    keys.SetString(0, "key", "v");
    keys.SetExpiry(0, keys.Find(0, "key"), kNow + 10);
    EXPECT_EQ(keys.Expiring(0), 1u);
    keys.set_now_ms(kNow + 9);
    EXPECT_TRUE(keys.Exists(0, "key"));
    keys.set_now_ms(kNow + 10);
    EXPECT_FALSE(keys.Exists(0, "key"));
    EXPECT_EQ(keys.Expiring(0), 0u);
    EXPECT_EQ(keys.Size(0), 0u);
  });
}

TEST_F(LockedKeysTest, SettingAStringDropsItsExpiryUnlessToldOtherwise) {
  WithAll([&](LockedKeys& keys) {
    keys.SetString(0, "key", "short");
    keys.SetExpiry(0, keys.Find(0, "key"), kNow + 10);
    keys.SetString(0, "key", std::string(1000, 'x'), /*keep_expiry=*/true);
    EXPECT_EQ(keys.Expiry(0, keys.Find(0, "key")), kNow + 10);
    keys.SetString(0, "key", "short");
    EXPECT_EQ(keys.Expiry(0, keys.Find(0, "key")), Database::kNever);
  });
}

TEST_F(LockedKeysTest, ActiveExpiryFreesEveryKeyWhoseTimeHasPassedAndNoOther) {
  WithAll([&](LockedKeys& keys) {
    for (int i = 0; i < 3000; ++i) {
      const std::string key = std::to_string(i);
      keys.SetString(i % 16, key, "v");
      if (i % 3 != 0) keys.SetExpiry(i % 16, keys.Find(i % 16, key), kNow + (i % 3 == 1 ? 5 : 500));
    }
  });
  size_t freed = 0;
  for (int round = 0; round < 20; ++round) {
    for (int shard = 0; shard < Store::kShardCount; ++shard) {
      freed += store_.ExpireSome(shard, kNow + 100);
    }
  }
  EXPECT_EQ(freed, 1000u);
  WithAll([&](LockedKeys& keys) {
    size_t left = 0;
    for (int db = 0; db < 16; ++db) left += keys.Size(db);
    EXPECT_EQ(left, 2000u);
    EXPECT_TRUE(keys.Exists(2, "2"));
    EXPECT_FALSE(keys.Exists(1, "1"));
  });
}

TEST_F(LockedKeysTest, AValueThatBecameEmptyIsRemoved) {
  Push("list", {"a"});
  WithAll([&](LockedKeys& keys) {
    Edit<List> list(keys, 0, "list", IfAbsent::kLeave);
    list->PopFront();
  });
  EXPECT_FALSE(Exists("list"));
}

TEST_F(LockedKeysTest, AnEditOfAnotherTypeChangesNothing) {
  Push("key", {"a"});
  WithAll([&](LockedKeys& keys) {
    Edit<Set> set(keys, 0, "key", IfAbsent::kCreate);
    EXPECT_TRUE(set.wrong_type());
    EXPECT_FALSE(set);
  });
  EXPECT_TRUE(Exists("key"));
}

TEST_F(LockedKeysTest, NotesWhenAKeyWasUsedUnlessItOnlyPeeksOrIsToldNotTo) {
  const auto used_at = [&](int64_t now_ms) {
    uint32_t seconds = 0;
    WithAll([&](LockedKeys& keys) { seconds = keys.Peek(0, "key")->used_at_s(); }, now_ms);
    return seconds;
  };
  WithAll([](LockedKeys& keys) { keys.SetString(0, "key", "value"); }, 5'000);
  EXPECT_EQ(used_at(10'000), 5u);
  WithAll([](LockedKeys& keys) { keys.Lookup(0, "key"); }, 15'999);
  EXPECT_EQ(used_at(20'000), 15u);
  WithAll([](LockedKeys& keys) { keys.EditString(0, "key", 6).back() = '!'; }, 25'000);
  EXPECT_EQ(used_at(30'000), 25u);
  WithAll(
      [](LockedKeys& keys) {
        keys.set_notes_use(false);
        keys.Lookup(0, "key");
      },
      35'000);
  EXPECT_EQ(used_at(40'000), 25u);
}

TEST_F(LockedKeysTest, WhatIsUnlinkedOrFlushedIsGoneAtOnceAndMayComeBack) {
  Push("list", {"a"});
  WithAll([](LockedKeys& keys) {
    EXPECT_TRUE(keys.Unlink(0, "list"));
    EXPECT_FALSE(keys.Unlink(0, "list"));
    EXPECT_FALSE(keys.Exists(0, "list"));
    keys.SetString(0, "list", "again");
    keys.SetExpiry(0, keys.Find(0, "list"), kNow + 5);
    keys.Flush(0);
    EXPECT_EQ(keys.Size(0), 0u);
    EXPECT_EQ(keys.Expiring(0), 0u);
    keys.SetString(0, "list", "once more");
    EXPECT_EQ(TextOf(keys, 0, "list"), "once more");
  });
}

TEST_F(LockedKeysTest, MoveTakesValueAndExpiryAlong) {
  WithAll([&](LockedKeys& keys) {
    keys.SetString(3, "from", std::string(300, 'x'));
    keys.SetExpiry(3, keys.Find(3, "from"), kNow + 50);
    keys.SetString(4, "to", "old");
    keys.Move(3, "from", 4, "to");
    EXPECT_FALSE(keys.Exists(3, "from"));
    EXPECT_EQ(TextOf(keys, 4, "to"), std::string(300, 'x'));
    EXPECT_EQ(keys.Expiry(4, keys.Find(4, "to")), kNow + 50);
  });
}

TEST_F(LockedKeysTest, AWatchIsSetOffByEveryKindOfChangeAndByNothingElse) {
  const auto changed_by = [&](auto change) {
    const auto flag = std::make_shared<WatchFlag>();
    WithAll([&](LockedKeys& keys) {
      keys.SetString(0, "key", "1");
      keys.SetExpiry(0, keys.Find(0, "key"), kNow + 1000);
      keys.Watch(0, "key", flag);
    });
    WithAll(change);
    const bool changed = flag->changed;
    WithAll([&](LockedKeys& keys) {
      keys.Unwatch(0, "key", flag);
      keys.Flush(1);
    });
    return changed;
  };
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.SetString(0, "key", "2"); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.SetInteger(0, "key", 2); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.Delete(0, "key"); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.Flush(0); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.Swap(0, 1); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.ClearExpiry(0, keys.Find(0, "key")); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) { keys.Move(0, "key", 1, "key"); }));
  EXPECT_TRUE(changed_by([](LockedKeys& keys) {
    keys.set_now_ms(kNow + 1000);
    keys.Find(0, "key");
  })) << "a key that expires has changed";
  EXPECT_FALSE(changed_by([](LockedKeys& keys) { keys.Find(0, "key"); }));
  EXPECT_FALSE(changed_by([](LockedKeys& keys) { keys.SetString(1, "key", "2"); }));
  EXPECT_FALSE(changed_by([](LockedKeys& keys) { keys.SetString(0, "other", "2"); }));
}

TEST_F(LockedKeysTest, WaitersAreServedInTheOrderOfTheirArrival) {
  const auto first = Wait({"a"});
  const auto second = Wait({"a"});
  const auto third = Wait({"a"});
  Push("a", {"1", "2"});
  EXPECT_EQ(first->got, "a=1");
  EXPECT_EQ(second->got, "a=2");
  EXPECT_EQ(third->got, "");
  EXPECT_FALSE(Exists("a"));
  Push("a", {"3", "4"});
  EXPECT_EQ(third->got, "a=3");
  EXPECT_TRUE(Exists("a"));
}

TEST_F(LockedKeysTest, AWaiterOnSeveralKeysIsServedOnce) {
  const auto waiter = Wait({"a", "b"});
  Push("b", {"1"});
  Push("a", {"2"});
  EXPECT_EQ(waiter->got, "b=1");
  EXPECT_TRUE(Exists("a"));
}

TEST_F(LockedKeysTest, AnUnregisteredWaiterIsNotServed) {
  const auto waiter = Wait({"a"});
  WithAll([&](LockedKeys& keys) { EXPECT_TRUE(keys.Unregister(waiter)); });
  Push("a", {"1"});
  EXPECT_EQ(waiter->got, "");
  EXPECT_TRUE(Exists("a"));
  WithAll([](LockedKeys& keys) { EXPECT_EQ(keys.totals().waiting_keys, 0u); });
}

TEST_F(LockedKeysTest, ServingWaitsUntilTheTokenIsReleased) {
  const auto waiter = Wait({"a"});
  {
    LockedKeys keys(store_, kNow);
    keys.Lock(Store::kAllShards);
    Edit<List>(keys, 0, "a", IfAbsent::kCreate)->PushBack("1");
    EXPECT_EQ(waiter->got, "");
    keys.Delete(0, "a");
    Edit<List>(keys, 0, "a", IfAbsent::kCreate)->PushBack("2");
  }
  EXPECT_EQ(waiter->got, "a=2");
}

TEST_F(LockedKeysTest, AWaiterForAnotherTypeStays) {
  const auto waiter = Wait({"a"});
  WithAll([&](LockedKeys& keys) { Edit<Set>(keys, 0, "a", IfAbsent::kCreate)->Add("m"); });
  EXPECT_EQ(waiter->got, "");
  WithAll([&](LockedKeys& keys) { keys.Delete(0, "a"); });
  Push("a", {"1"});
  EXPECT_EQ(waiter->got, "a=1");
}

TEST_F(LockedKeysTest, AChainOfMovesIsServedThroughShardsThatTheWriterDoesNotHold) {
  // Names until the targets lie in other shards than the source.
  std::vector<std::string> names;
  ShardMask used = 0;
  for (int i = 0; names.size() < 4; ++i) {
    const std::string name = "list" + std::to_string(i);
    if ((used & Store::MaskOf(name)) != 0) continue;
    used |= Store::MaskOf(name);
    names.push_back(name);
  }
  const auto a = Wait({names[0]}, names[1]);
  const auto b = Wait({names[1]}, names[2]);
  const auto c = Wait({names[2]}, names[3]);
  Push(names[0], {"x"});
  EXPECT_EQ(a->got, names[0] + "=x");
  EXPECT_EQ(b->got, names[1] + "=x");
  EXPECT_EQ(c->got, names[2] + "=x");
  EXPECT_TRUE(Exists(names[3]));
  EXPECT_FALSE(Exists(names[0]));
}

TEST_F(LockedKeysTest, SwappedDatabasesServeTheWaitersOfTheirNewNumber) {
  const auto waiter = Wait({"a"});
  WithAll([&](LockedKeys& keys) {
    Edit<List>(keys, 5, "a", IfAbsent::kCreate)->PushBack("1");
    keys.Swap(0, 5);
  });
  EXPECT_EQ(waiter->got, "a=1");
}

TEST_F(LockedKeysTest, LockGivesUpWhenToldToAndHoldsNothing) {
  LockedKeys holder(store_, kNow);
  holder.Lock(Store::MaskOf("busy"));
  std::thread([&] {
    LockedKeys keys(store_, kNow);
    EXPECT_FALSE(keys.Lock(Store::kAllShards, [] { return true; }));
    EXPECT_EQ(keys.held(), 0u);
  }).join();
}

// Four threads move elements between lists in random directions, each move under a token of both
// keys, while waiters come and go: the elements are counted at the end.
TEST_F(LockedKeysTest, ThreadsThatMoveElementsLoseAndDuplicateNone) {
  constexpr int kLists = 5;
  constexpr int kElements = 50;
  for (int i = 0; i < kElements; ++i) Push("l" + std::to_string(i % kLists), {std::to_string(i)});
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([this, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 5000; ++i) {
        const std::string from = "l" + std::to_string(random() % kLists);
        const std::string to = "l" + std::to_string(random() % kLists);
        LockedKeys keys(store_, kNow);
        keys.Lock(Store::MaskOf(from) | Store::MaskOf(to));
        std::string moved;
        {
          Edit<List> list(keys, 0, from, IfAbsent::kLeave);
          if (!list) {
            keys.Register(std::make_shared<ListWaiter>(std::vector<std::string>{from}, to));
            continue;
          }
          moved = list->Front();
          list->PopFront();
        }
        Edit<List>(keys, 0, to, IfAbsent::kCreate)->PushBack(moved);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::multiset<std::string> left;
  WithAll([&](LockedKeys& keys) {
    for (int i = 0; i < kLists; ++i) {
      const auto list = keys.Read<List>(0, "l" + std::to_string(i));
      if (list) list->ForEach(0, list->size(), [&](auto element) { left.emplace(element); });
    }
  });
  std::multiset<std::string> expected;
  for (int i = 0; i < kElements; ++i) expected.insert(std::to_string(i));
  EXPECT_EQ(left, expected);
}

}  // namespace
}  // namespace chorale
