// What a round writes, when rounds run and what they promise, and copies.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "tests/unit/storage/persistence/journal_fixture.h"

namespace chorale {
namespace {

// ---- what is written ----

TEST_F(JournalTest, WhatCameAndWentIsNotWritten) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(store->Save().ok());
  // Under one token, so that no round comes between.
  const auto before = store->journal().statistics();
  store->WithAll([&](LockedKeys& keys) {
    for (int i = 0; i < 10; ++i) {
      const std::string key = std::to_string(i);
      keys.SetString(0, key, "1");
      keys.SetString(0, key, std::string(1000, 'x'));
      keys.Delete(0, key);
      Edit<Hash> hash(keys, 0, key, IfAbsent::kCreate);
      Fill(*hash, kLarge);
      hash.Finish();
      keys.Move(0, key, 0, "moved");
      keys.Unlink(0, "moved");
    }
  });
  ASSERT_TRUE(store->Save().ok());
  EXPECT_EQ(store->journal().statistics().rows, before.rows);
  EXPECT_EQ(store->journal().statistics().rounds, before.rounds);
}

TEST_F(JournalTest, AKeyThatChangedOftenIsWrittenOnce) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(store->Save().ok());
  const auto before = store->journal().statistics();
  store->With({"key"}, [&](LockedKeys& keys) {
    for (int i = 0; i < 1000; ++i) keys.SetInteger(0, "key", i);
  });
  ASSERT_TRUE(store->Save().ok());
  EXPECT_EQ(store->journal().statistics().rows, before.rows + 1);
  EXPECT_EQ(store->journal().statistics().rounds, before.rounds + 1);
}

TEST_F(JournalTest, OfALargeValueTheChangedPartsAreWritten) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  const auto before = store->journal().statistics();
  store->WithAll([&](LockedKeys& keys) {
    Edit<Hash> hash(keys, 0, "hash700", IfAbsent::kLeave);
    hash->Set(Element(1), "changed");
    hash->Set("new", "1");
    hash->Remove("new");
    hash.MarkChanged();
  });
  ASSERT_TRUE(store->Save().ok());
  EXPECT_EQ(store->journal().statistics().rows, before.rows + 2) << "the key and the field";
}

TEST_F(JournalTest, ARenamedLargeValueIsNotWrittenAgain) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  const auto before = store->journal().statistics();
  store->WithAll([&](LockedKeys& keys) { keys.Move(0, "list700", 0, "renamed"); });
  ASSERT_TRUE(store->Save().ok());
  EXPECT_EQ(store->journal().statistics().rows, before.rows + 2) << "the old name and the new one";
}

TEST_F(JournalTest, AChangeIsWrittenWithoutBeingAskedFor) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  const auto rounds = store->journal().statistics().rounds;
  store->SetString(0, "key", "1");
  EXPECT_TRUE(store->Await([&] { return store->journal().statistics().rounds > rounds; }));
}

// A round that takes long passes shards, and messages come, that are younger than its beginning.
TEST_F(JournalTest, AMessageThatComesWhileARoundCollectsIsHeldBackToo) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  std::string queue, before;  // the round comes to the shard of `before` first
  for (int i = 0; queue.empty() || Store::ShardOf(queue) == 0; ++i) {
    queue = QueueKey("layer", fmt::format("channel-{}", i));
  }
  for (int i = 0; before.empty() || Store::ShardOf(before) >= Store::ShardOf(queue); ++i) {
    before = fmt::format("before-{}", i);
  }
  const auto push = [&](LockedKeys& keys, int64_t sent_at_ms) {
    Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kCreate);
    if (edit->size() == 0) edit->CountIn(store->layers().Get("layer")->shared_counters());
    edit->Push("message", sent_at_ms + 1'000'000, sent_at_ms);
    edit.MarkChanged();
  };
  // That it is on disk 150 ms after it was sent is right, and may happen on a slow machine.
  bool held_back = false;
  const absl::Time deadline = absl::Now() + kDeadline;
  for (int turn = 0; !held_back && absl::Now() < deadline; ++turn) {
    ASSERT_TRUE(store->Save().ok());
    const auto saved = store->journal().statistics();
    store->With({queue}, [&](LockedKeys& keys) {
      push(keys, kNow);
      std::async(std::launch::async, [&] {
        store->SetString(0, before, std::to_string(turn));
        bool collected = false;
        while (!collected && absl::Now() < deadline) {
          store->With({before},
                      [&](LockedKeys& other) { collected = !other.Find(0, before)->unsaved(); });
          absl::SleepFor(absl::Milliseconds(2));
        }
      }).wait();
      push(keys, absl::ToUnixMillis(absl::Now()));
    });
    store->Await([&] { return store->journal().statistics().rounds > saved.rounds; });
    const auto after = store->journal().statistics();
    held_back = after.rounds == saved.rounds + 1 && after.rows == saved.rows + 2;
  }
  EXPECT_TRUE(held_back);
}

// ---- rounds ----

TEST_F(JournalTest, SaveReturnsTheRoundWithWhichAllIsOnDisk) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->SetString(0, "key", "1");
  const uint64_t round = store->journal().Save();
  EXPECT_GE(store->journal().needed(), round);
  ASSERT_TRUE(store->Await([&] { return store->journal().done() >= round; }));
  EXPECT_GE(store->journal().over(), round);
  EXPECT_FALSE(store->journal().failed());
  EXPECT_EQ(store->journal().statistics().unsaved_bytes, 0);
  // As after a crash.
  store.reset();
  store = Look("data");
  ASSERT_NE(store, nullptr);
  EXPECT_FALSE(store->recovered().clean);
  EXPECT_EQ(store->StringOf(0, "key"), "1");
}

TEST_F(JournalTest, WithAlwaysEveryWriterIsToldTheRoundThatItNeeds) {
  Options options;
  options.sync = Journal::Sync::kAlways;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    store->SetString(0, "key", value);
    const uint64_t needed = store->journal().needed();
    ASSERT_TRUE(store->Await([&] { return store->journal().done() >= needed; }));
    if (i % 5 != 0) continue;
    ASSERT_TRUE(store->Copy(Path("copy-" + value)).ok());
    const Running copy = Look("copy-" + value);
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(copy->StringOf(0, "key"), value);
  }
}

// Each of these is acknowledged when the round is done that needed() names just after it.
TEST_F(JournalTest, WithAlwaysEveryKindOfChangeNeedsARound) {
  Options options;
  options.sync = Journal::Sync::kAlways;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  std::string key, other;
  std::tie(key, other) = KeysApart("key");
  const auto needs_a_round = [&, store = store.get()](const char* what, auto change) {
    ASSERT_TRUE(store->Await([&] { return store->journal().done() >= store->journal().needed(); }));
    const uint64_t needed = store->journal().needed();
    change();
    EXPECT_GT(store->journal().needed(), needed) << what;
  };
  const auto with = [&](auto work) { return [&, work] { store->With({key, other}, work); }; };
  const auto with_all = [&](auto work) { return [&, work] { store->WithAll(work); }; };
  needs_a_round("a new key", with([&](LockedKeys& keys) { keys.SetString(0, key, "1"); }));
  needs_a_round("a key changed", with([&](LockedKeys& keys) { keys.SetString(0, key, "2"); }));
  needs_a_round("an expiry",
                with([&](LockedKeys& keys) { keys.SetExpiry(0, keys.Find(0, key), kNow + 1000); }));
  needs_a_round("a rename", with([&](LockedKeys& keys) { keys.Move(0, key, 0, other); }));
  needs_a_round("a move", with([&](LockedKeys& keys) { keys.Move(0, other, 1, other); }));
  needs_a_round("a deletion", with([&](LockedKeys& keys) { keys.Delete(1, other); }));
  store->SetString(0, key, "1");
  needs_a_round("two databases swapped", with_all([&](LockedKeys& keys) { keys.Swap(0, 1); }));
  needs_a_round("a database emptied", with_all([&](LockedKeys& keys) { keys.Flush(1); }));
  store->WithAll([&](LockedKeys& keys) { EXPECT_EQ(keys.Size(1), 0u); });
  needs_a_round("a policy", [&] {
    LayerPolicy policy;
    policy.capacity = 5;
    store->layers().Get("layer")->set_policy(policy);
  });
  needs_a_round("a membership", [&] {
    store->layers().Get("layer")->groups().Join("chat", std::vector<std::string_view>{"a"},
                                                kNow + 1000, kNow);
  });
  needs_a_round("a message", [&] {
    const auto layer = store->layers().Get("layer");
    EXPECT_EQ(layer->MailboxFor("box!", kNow)
                  ->Send("box!a", std::make_shared<const std::string>("m"), LayerPolicy(), kNow),
              Mailbox::Sent::kYes);
  });
}

TEST_F(JournalTest, WritersAreToWaitWhenTooMuchWaitsForTheDiskAndNoLonger) {
  Options options;
  options.most_unsaved_bytes = 100'000;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  store->WithAll([&](LockedKeys& keys) {
    EXPECT_FALSE(store->journal().full());
    // No round comes between while all shards are held.
    for (int i = 0; i < 200; ++i) keys.SetString(0, std::to_string(i), std::string(1000, 'x'));
    EXPECT_TRUE(store->journal().full());
    EXPECT_GT(store->journal().statistics().unsaved_bytes, 200'000);
  });
  EXPECT_TRUE(store->Await([&] { return !store->journal().full(); }));
  ASSERT_TRUE(store->Save().ok());
  EXPECT_EQ(store->journal().statistics().unsaved_bytes, 0);
  store->WithAll([&](LockedKeys& keys) {
    keys.Flush(0);
    EXPECT_FALSE(store->journal().full());
  });
}

// Writers are told to wait when a large value has grown, and not before.
template <typename T, typename Add>
void GrowUntilFull(PersistentStore& store, const std::string& key, Add add) {
  store.With({key}, [&](LockedKeys& keys) {
    EXPECT_FALSE(store.journal().full()) << key;
    Edit<T> edit(keys, 0, key, IfAbsent::kCreate);
    for (int i = 0; i < 3000; ++i) add(*edit, Element(10'000 + i));
    edit.Finish();
    EXPECT_TRUE(store.journal().full()) << key;
  });
  EXPECT_TRUE(store.Save().ok());
}

TEST_F(JournalTest, WhatGrowsBetweenTwoRoundsCountsAsWaiting) {
  Options options;
  options.most_unsaved_bytes = 100'000;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  const std::string queue = QueueKey("layer", "channel");
  const auto layer = store->layers().Get("layer");
  const auto fills = [&](const char* what, auto change) {
    store->WithAll([&](LockedKeys& keys) {
      EXPECT_FALSE(store->journal().full()) << what;
      change(keys);
      EXPECT_TRUE(store->journal().full()) << what;
    });
    EXPECT_TRUE(store->Save().ok());
    EXPECT_EQ(store->journal().statistics().unsaved_bytes, 0) << what;
  };
  fills("a string that is set again", [](LockedKeys& keys) {
    keys.SetString(0, "set", "small");
    keys.SetString(0, "set", std::string(200'000, 'x'));
  });
  fills("a string that is appended to", [](LockedKeys& keys) {
    for (size_t size = 1000; size <= 200'000; size += 1000) keys.EditString(0, "appended", size);
  });
  fills("messages in a queue", [&](LockedKeys& keys) {
    const int db = keys.store().layers_db();
    for (int i = 0; i < 200; ++i) {
      Edit<ChannelQueue> edit(keys, db, queue, IfAbsent::kCreate);
      if (i == 0) edit->CountIn(layer->shared_counters());
      edit->Push(std::string(1000, 'x'), kNow + 5000, kNow);
    }
  });
  // Those that are received wait no longer.
  store->WithAll([&](LockedKeys& keys) {
    Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kLeave);
    for (int i = 0; i < 200; ++i) {
      edit->Push(std::string(1000, 'x'), kNow + 5000, kNow);
      (void)edit->Pop();
    }
    while (edit->size() > 1) (void)edit->Pop();
    EXPECT_LT(store->journal().statistics().unsaved_bytes, 20'000);
    EXPECT_GT(store->journal().statistics().unsaved_bytes, 1000);
  });
}

TEST_F(JournalTest, WhatIsInLargeValuesAlsoCountsAsWaiting) {
  Options options;
  options.most_unsaved_bytes = 100'000;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  const std::string value(1000, 'v');
  store->Change<Hash>(0, "values", [](Hash& v) { Fill(v, kLarge); });
  ASSERT_TRUE(store->Save().ok());
  // Its names alone are not enough.
  store->With({"values"}, [&](LockedKeys& keys) {
    EXPECT_FALSE(store->journal().full());
    Edit<Hash> edit(keys, 0, "values", IfAbsent::kLeave);
    for (int i = 0; i < 100; ++i) edit->Set(Element(i), value);
    edit.MarkChanged();
    edit.Finish();
    EXPECT_TRUE(store->journal().full()) << "values of fields";
  });
  ASSERT_TRUE(store->Save().ok());
  GrowUntilFull<Hash>(*store, "hash700", [](Hash& v, const std::string& e) { v.Set(e, e); });
  GrowUntilFull<Set>(*store, "set700", [](Set& v, const std::string& e) { v.Add(e); });
  GrowUntilFull<SortedSet>(*store, "zset700",
                           [](SortedSet& v, const std::string& e) { v.Add(e, 1); });
  GrowUntilFull<List>(*store, "list700", [](List& v, const std::string& e) { v.PushBack(e); });
  // Values that have no rows yet.
  GrowUntilFull<Hash>(*store, "new-hash", [](Hash& v, const std::string& e) { v.Set(e, e); });
  GrowUntilFull<Set>(*store, "new-set", [](Set& v, const std::string& e) { v.Add(e); });
  GrowUntilFull<SortedSet>(*store, "new-zset",
                           [](SortedSet& v, const std::string& e) { v.Add(e, 1); });
  GrowUntilFull<List>(*store, "new-list", [](List& v, const std::string& e) { v.PushFront(e); });
}

// ---- copies ----

TEST_F(JournalTest, ACopyHoldsAllAndIsADirectoryOfItsOwn) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Copy(Path("copy")).ok());
  const Contents then = store->contents();
  store->SetString(0, "text", "of after");
  ASSERT_TRUE(store->Save().ok());
  const Running copy = Open("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->contents(), then);
  EXPECT_FALSE(copy->recovered().clean);
}

TEST_F(JournalTest, ACopyToWhereSomethingIsOrToNowhereIsRefused) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_FALSE(store->Copy(Path("data")).ok());
  EXPECT_FALSE(store->Copy(Path("no/such/place")).ok());
  EXPECT_TRUE(store->Copy(Path("copy")).ok()) << "the journal goes on";
  EXPECT_FALSE(store->journal().failed());
}

// Whoever asked is told in any case.
TEST_F(JournalTest, ACopyThatIsAskedForAsTheJournalStopsIsMadeOrRefused) {
  for (int i = 0; i < 20; ++i) {
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    std::atomic<int> told = 0;
    store->journal().Copy(Path(fmt::format("copy-{}", i)), [&](const absl::Status&) { ++told; });
    ASSERT_TRUE(store->Stop().ok());
    EXPECT_EQ(told, 1);
  }
}

}  // namespace
}  // namespace chorale
