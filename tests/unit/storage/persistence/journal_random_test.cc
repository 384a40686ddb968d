// Random changes with restarts, crashes and copies between them, and tokens while rounds run.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "storage/encoding_limits.h"
#include "storage/layers/channel_queue.h"
#include "tests/unit/storage/persistence/journal_fixture.h"

namespace chorale {
namespace {

// ---- many changes ----

// Random commands on a few keys of every type and size, with rounds, restarts, crashes and copies
// between them; what is there again is what was there.
class RandomChangesTest : public JournalTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    JournalTest::SetUp();
    g_encoding_limits.hash_max_listpack_entries = 8;
    g_encoding_limits.set_max_intset_entries = 8;
    g_encoding_limits.set_max_listpack_entries = 8;
    g_encoding_limits.zset_max_listpack_entries = 8;
  }
  void TearDown() override {
    const EncodingLimits usual;
    g_encoding_limits.hash_max_listpack_entries = usual.hash_max_listpack_entries.load();
    g_encoding_limits.set_max_intset_entries = usual.set_max_intset_entries.load();
    g_encoding_limits.set_max_listpack_entries = usual.set_max_listpack_entries.load();
    g_encoding_limits.zset_max_listpack_entries = usual.zset_max_listpack_entries.load();
    JournalTest::TearDown();
  }

  size_t Below(size_t bound) { return random_() % bound; }
  int Db() { return static_cast<int>(Below(3)); }
  std::string Key() { return "key" + std::to_string(Below(12)); }
  std::string Member() { return std::to_string(Below(30)); }
  std::string Text() { return std::string(Below(4) == 0 ? Below(6000) : Below(100), 't'); }

  void Change(LockedKeys& keys, int db, const std::string& key) {
    const auto bits = [this] { return random_(); };
    Entry* const entry = keys.Find(db, key);
    const auto type = entry == nullptr ? static_cast<ValueType>(Below(5)) : entry->type();
    const size_t times = 1 + Below(20);
    switch (type) {
      case ValueType::kString:
        keys.SetString(db, key, Text(), Below(2) == 0);
        return;
      case ValueType::kList: {
        Edit<List> list(keys, db, key, IfAbsent::kCreate);
        for (size_t i = 0; i < times; ++i) ChangeList(*list);
        list.MarkChanged();
        return;
      }
      case ValueType::kHash: {
        Edit<Hash> hash(keys, db, key, IfAbsent::kCreate);
        for (size_t i = 0; i < times; ++i) {
          Below(2) == 0 ? (void)hash->Set(Member(), Text()) : (void)hash->Remove(Member());
        }
        hash.MarkChanged();
        return;
      }
      case ValueType::kSet: {
        Edit<Set> set(keys, db, key, IfAbsent::kCreate);
        for (size_t i = 0; i < times; ++i) {
          Below(2) == 0 ? (void)set->Add(Member()) : (void)set->Remove(Member());
        }
        if (Below(4) == 0) set->PopRandom(Below(4), bits, [](std::string_view) {});
        if (Below(8) == 0) set->PopRandom(set->size(), bits, [](std::string_view) {});
        set.MarkChanged();
        return;
      }
      case ValueType::kSortedSet: {
        Edit<SortedSet> set(keys, db, key, IfAbsent::kCreate);
        for (size_t i = 0; i < times; ++i) {
          Below(2) == 0 ? (void)set->Add(Member(), static_cast<double>(Below(100)))
                        : (void)set->Remove(Member());
        }
        if (Below(4) == 0) set->PopMin(Below(4), [](std::string_view, double) {});
        if (Below(4) == 0) set->PopMax(Below(4), [](std::string_view, double) {});
        if (Below(4) == 0 && set->size() > 4) set->RemoveRange({1, 3});
        if (Below(8) == 0) set->PopMin(set->size(), [](std::string_view, double) {});
        set.MarkChanged();
        return;
      }
      case ValueType::kChannelQueue:
        return;
    }
  }
  void ChangeList(List& list) {
    switch (Below(list.size() == 0 ? 2 : 10)) {
      case 0:
        return list.PushFront(Text());
      case 1:
        return list.PushBack(Text());
      case 2:
        return list.PopFront();
      case 3:
        return list.PopBack();
      case 4:
        return list.Set(Below(list.size()), Text());
      case 5: {
        const std::string pivot(list.At(Below(list.size())));
        (void)list.InsertBefore(pivot, Text());
        return;
      }
      case 6: {
        const std::string pivot(list.At(Below(list.size())));
        (void)list.InsertAfter(pivot, Text());
        return;
      }
      case 7: {
        const std::string element(list.At(Below(list.size())));
        list.Remove(static_cast<int64_t>(Below(5)) - 2, element);
        return;
      }
      case 8:
        if (Below(5) == 0) list.Trim(list.size() / 4, list.size() - list.size() / 4);
        if (Below(8) == 0) list.Trim(0, 0);
        return;
      default:
        for (int i = 0; i < 8; ++i) list.PushBack(std::string(1000 + Below(4000), 'b'));
    }
  }

  void Step(PersistentStore& store) {
    const int db = Db(), to_db = Db();
    const std::string key = Key(), to = Key();
    const size_t what = Below(100);
    if (what < 2) {
      store.WithAll(
          [&](LockedKeys& keys) { what == 0 ? keys.Flush(db) : keys.Swap(db, (db + 1) % 3); });
      return;
    }
    store.With({key, to}, [&](LockedKeys& keys) {
      Entry* const entry = keys.Find(db, key);
      if (what < 70 || entry == nullptr) return Change(keys, db, key);
      if (what < 75) return (void)keys.Delete(db, key);
      if (what < 78) return (void)keys.Unlink(db, key);
      if (what < 83) return keys.SetExpiry(db, entry, kNow + static_cast<int64_t>(Below(5)));
      if (what < 85) return (void)keys.ClearExpiry(db, entry);
      if (what < 90) return (void)keys.Put(to_db, entry->Clone(to), Below(2) == 0);
      if (what < 93) return (void)keys.SetString(db, key, Text());
      if (db != to_db || key != to) keys.Move(db, key, to_db, to);
    });
  }

  std::mt19937_64 random_{static_cast<uint64_t>(GetParam())};
};

// What --check says as well, each time that nobody has the directory open.
TEST_P(RandomChangesTest, ComeBack) {
  const auto open_again = [this](Running& store) {
    store.reset();
    const auto checked = Check("data");
    EXPECT_TRUE(checked.ok()) << checked.status();
    store = checked.ok() ? Open("data") : nullptr;
  };
  Running store = Open("data");
  for (int part = 0; part < 60; ++part) {
    ASSERT_NE(store, nullptr);
    for (size_t steps = Below(60); steps > 0; --steps) Step(*store);
    const Contents contents = store->contents();
    switch (Below(6)) {
      case 0:
        ASSERT_TRUE(store->Stop().ok());
        open_again(store);
        break;
      case 1:
        ASSERT_TRUE(store->Save().ok());
        open_again(store);
        break;
      case 2: {
        const std::string path = fmt::format("copy-{}", part);
        ASSERT_TRUE(store->Copy(Path(path)).ok());
        const Running copy = Look(path);
        ASSERT_NE(copy, nullptr);
        ASSERT_EQ(copy->contents(), contents) << "part " << part;
        std::filesystem::remove_all(Path(path));
        break;
      }
      default:
        ASSERT_TRUE(store->Save().ok());
    }
    ASSERT_NE(store, nullptr);
    ASSERT_EQ(store->contents(), contents) << "part " << part;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomChangesTest, testing::Range(0, 6));

// ---- transactions while rounds run ----

// Threads change pairs of keys, each pair under one token, and every copy that is made meanwhile
// holds both changes of a token or none. To be run with the thread sanitizer.
TEST_F(JournalTest, WhatATokenChangedIsNeverHalfOnDisk) {
  constexpr int kPairs = 8;
  constexpr int kThreads = 3;
  constexpr int kCopies = 25;
  constexpr int kElements = 40;
  Options options;
  options.sync = Journal::Sync::kNever;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (int i = 0; i < kPairs; ++i) pairs.push_back(KeysApart("pair-" + std::to_string(i)));
  // The same number in both strings and in both large hashes; elements that move between two
  // lists; a key that has one name or the other, in one database or another.
  const auto string = [](const std::string& key) { return "string " + key; };
  const auto hash = [](const std::string& key) { return "hash " + key; };
  const auto list = [](const std::string& key) { return "list " + key; };
  const auto name = [](const std::string& key) { return "name " + key; };
  for (const auto& [a, b] : pairs) {
    store->Change<List>(0, list(a), [](List& v) { Fill(v, kElements); });
    store->Change<Set>(0, name(a), [](Set& v) { Fill(v, kLarge); });
  }
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(static_cast<uint64_t>(thread));
      while (!stop) {
        const auto& pair = pairs[random() % kPairs];
        const std::string& a = pair.first;
        const std::string& b = pair.second;
        const std::string number = std::to_string(random());
        switch (random() % 4) {
          case 0:
            store->With({string(a), string(b)}, [&](LockedKeys& keys) {
              keys.SetString(0, string(a), number);
              keys.SetString(0, string(b), number);
            });
            break;
          case 1:
            store->With({hash(a), hash(b)}, [&](LockedKeys& keys) {
              const std::string field = Element(static_cast<int>(random() % 200));
              for (const std::string& key : {hash(b), hash(a)}) {
                Edit<Hash> edit(keys, 1, key, IfAbsent::kCreate);
                edit->Set(field, number);
                edit.MarkChanged();
              }
            });
            break;
          case 2:
            store->With({list(a), list(b)}, [&](LockedKeys& keys) {
              Edit<List> from(keys, 0, random() % 2 == 0 ? list(a) : list(b), IfAbsent::kLeave);
              if (!from) return;
              const std::string element(from->Front());
              from->PopFront();
              from.Finish();
              Edit<List>(keys, 0, random() % 2 == 0 ? list(a) : list(b), IfAbsent::kCreate)
                  ->PushBack(element);
            });
            break;
          default:
            store->With({name(a), name(b)}, [&](LockedKeys& keys) {
              for (const int db : {0, 1}) {
                for (const std::string& key : {name(a), name(b)}) {
                  if (!keys.Exists(db, key)) continue;
                  const int to_db = random() % 8 == 0 ? 1 - db : db;
                  return keys.Move(db, key, to_db, key == name(a) ? name(b) : name(a));
                }
              }
            });
        }
      }
    });
  }
  for (int i = 0; i < kCopies; ++i) {
    const std::string path = fmt::format("copy-{}", i);
    EXPECT_TRUE(store->Copy(Path(path)).ok());
    const Running copy = Look(path, options);
    if (copy == nullptr) break;
    Contents contents = copy->contents();
    const auto of = [&](int db, const std::string& key) {
      return contents[fmt::format("{}/{}", db, key)];
    };
    for (const auto& pair : pairs) {
      const std::string& a = pair.first;
      const std::string& b = pair.second;
      EXPECT_EQ(of(0, string(a)), of(0, string(b)));
      EXPECT_EQ(of(1, hash(a)), of(1, hash(b)));
      size_t names = 0;
      for (const int db : {0, 1}) {
        for (const std::string& key : {name(a), name(b)}) names += of(db, key).empty() ? 0 : 1;
      }
      EXPECT_EQ(names, 1u) << a;
      std::multiset<std::string> elements;
      copy->With({list(a), list(b)}, [&](LockedKeys& keys) {
        for (const std::string& key : {list(a), list(b)}) {
          const auto view = keys.Read<List>(0, key);
          if (!view) continue;
          view->ForEach(0, view->size(),
                        [&](std::string_view element) { elements.emplace(element); });
        }
      });
      EXPECT_EQ(elements.size(), static_cast<size_t>(kElements));
      EXPECT_EQ(std::set<std::string>(elements.begin(), elements.end()).size(), elements.size());
    }
    std::filesystem::remove_all(Path(path));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  Restart(std::move(store), "data", options);
}

}  // namespace
}  // namespace chorale
