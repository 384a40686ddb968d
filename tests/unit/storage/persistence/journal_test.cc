#include "storage/persistence/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "storage/encoding_limits.h"
#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

// More elements than any small encoding has, and enough bytes for a list of several blocks.
constexpr int kLarge = 700;

std::string Element(int i) { return fmt::format("element-{:04}-{}", i, std::string(30, 'x')); }

void Fill(List& list, int count) {
  for (int i = 0; i < count; ++i) list.PushBack(Element(i));
}
void Fill(Hash& hash, int count) {
  for (int i = 0; i < count; ++i) hash.Set(Element(i), std::to_string(i));
}
void Fill(Set& set, int count) {
  for (int i = 0; i < count; ++i) set.Add(Element(i));
}
void Fill(SortedSet& set, int count) {
  for (int i = 0; i < count; ++i) set.Add(Element(i), i * 0.5);
}

class JournalTest : public PersistenceFixture {
 protected:
  // One key of every type, small and large, under this prefix.
  static void FillAll(PersistentStore& store, int db, const std::string& prefix) {
    store.SetString(db, prefix + "text", "text");
    store.SetString(db, prefix + "number", "-12");
    store.SetString(db, prefix + "long", std::string(100'000, 'l'));
    store.SetString(db, prefix + "empty", "");
    for (const int count : {3, kLarge}) {
      const std::string size = std::to_string(count);
      store.Change<List>(db, prefix + "list" + size, [&](List& v) { Fill(v, count); });
      store.Change<Hash>(db, prefix + "hash" + size, [&](Hash& v) { Fill(v, count); });
      store.Change<Set>(db, prefix + "set" + size, [&](Set& v) { Fill(v, count); });
      store.Change<SortedSet>(db, prefix + "zset" + size, [&](SortedSet& v) { Fill(v, count); });
    }
    store.Change<Set>(db, prefix + "ints", [&](Set& v) {
      for (const char* member : {"-5", "0", "9223372036854775807"}) v.Add(member);
    });
  }
  static std::vector<std::string> NamesOfAll(const std::string& prefix) {
    std::vector<std::string> names = {"text", "number", "long", "empty", "ints"};
    for (const char* type : {"list", "hash", "set", "zset"}) {
      for (const int count : {3, kLarge}) names.push_back(type + std::to_string(count));
    }
    for (std::string& name : names) name.insert(0, prefix);
    return names;
  }

  // Stops the store and opens the directory again, which holds what the store held.
  Running Restart(Running store, const std::string& name, const Options& options = {}) {
    const Contents before = store->contents();
    EXPECT_TRUE(store->Stop().ok());
    store.reset();
    const auto checked = Check(name);
    EXPECT_TRUE(checked.ok()) << checked.status();
    Running restarted = Open(name, options);
    if (restarted == nullptr) return restarted;
    EXPECT_EQ(restarted->contents(), before);
    EXPECT_TRUE(restarted->recovered().clean);
    return restarted;
  }
};

// ---- what is there again ----

TEST_F(JournalTest, ADirectoryThatWasMissingIsEmpty) {
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->contents().empty());
  EXPECT_TRUE(store->recovered().clean);
  EXPECT_EQ(store->recovered().keys, 0u);
}

TEST_F(JournalTest, ValuesOfEveryTypeAndSizeComeBack) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  for (int db = 0; db < 4; db += 3) FillAll(*store, db, fmt::format("in {}: ", db));
  const size_t keys = store->contents().size();
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().keys, keys);
  EXPECT_EQ(store->recovered().expired, 0u);
}

TEST_F(JournalTest, LargeValuesKeepTheirEncodings) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  const auto encodings = [&] {
    std::map<std::string, std::string> all;
    store->WithAll([&](LockedKeys& keys) {
      keys.ForEach(0, [&](Entry* entry) { all[std::string(entry->key())] = entry->encoding(); });
    });
    return all;
  };
  const auto before = encodings();
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(encodings(), before);
}

TEST_F(JournalTest, BytesOfAnyValueComeBack) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->SetString(0, bytes, bytes);
  store->SetString(0, "", "of the empty key");
  store->Change<Hash>(0, "hash", [&](Hash& hash) {
    Fill(hash, kLarge);
    hash.Set(bytes, bytes);
    hash.Set("", "");
  });
  store->Change<Set>(0, "set", [&](Set& set) {
    Fill(set, kLarge);
    set.Add("");
    set.Add(bytes);
  });
  store->Change<SortedSet>(0, "zset", [&](SortedSet& set) {
    Fill(set, kLarge);
    set.Add("", -std::numeric_limits<double>::infinity());
    set.Add(bytes, std::numeric_limits<double>::infinity());
    set.Add("minus zero", -0.0);
  });
  store->Change<List>(0, "list", [&](List& list) {
    Fill(list, kLarge);
    list.PushFront("");
    list.PushBack(bytes);
    list.PushBack(std::string(1 << 20, 'b'));
  });
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, ChangesOfLargeValuesComeBack) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  const auto change = [&] {
    store->Change<Hash>(0, "hash700", [](Hash& hash) {
      hash.Remove(Element(0));
      hash.Set(Element(1), "changed, and longer");
      hash.Set("new", "1");
      hash.Remove("new");
      hash.Remove(Element(2));
      hash.Set(Element(2), "back");
    });
    store->Change<Set>(0, "set700", [](Set& set) {
      set.Remove(Element(0));
      set.Remove(Element(2));
      set.Add(Element(2));
      uint64_t bits = 0;
      set.PopRandom(
          5, [&] { return ++bits; }, [](std::string_view) {});
    });
    store->Change<SortedSet>(0, "zset700", [](SortedSet& set) {
      set.Add(Element(3), -7);
      set.Add(Element(4), set.Score(Element(4)).value_or(0));
      set.PopMin(3, [](std::string_view, double) {});
      set.PopMax(3, [](std::string_view, double) {});
      set.RemoveRange({10, 20});
      set.Add("new", 1);
      set.Remove("new");
    });
    store->Change<List>(0, "list700", [](List& list) {
      list.PopFront();
      list.PopBack();
      list.Set(300, "set");
      list.Set(301, std::string(9000, 's'));
      list.InsertBefore("set", std::string(5000, 'i'));
      list.Remove(0, Element(500));
      list.PushFront("front");
    });
  };
  change();
  ASSERT_TRUE(store->Save().ok());
  change();
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  store->Change<List>(0, "list700", [](List& list) { list.Trim(5, 15); });
  store->Change<Set>(0, "set700", [](Set& set) {
    std::vector<std::string> members;
    set.ForEach([&](std::string_view member) { members.emplace_back(member); });
    for (size_t i = 1; i < members.size(); ++i) set.Remove(members[i]);
  });
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, ExpiriesComeBack) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 1, "");
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("")) {
      keys.SetExpiry(1, keys.Find(1, name), kNow + 1000);
    }
  });
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  store->WithAll([&](LockedKeys& keys) {
    EXPECT_EQ(keys.Expiry(1, keys.Find(1, "text")), kNow + 1000);
    for (const std::string& name : NamesOfAll("")) keys.ClearExpiry(1, keys.Find(1, name));
    keys.SetExpiry(1, keys.Find(1, "hash3"), kNow + 5);
  });
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, WhatHasExpiredIsLeftOutAndItsRowsAreErased) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 1, "");
  store->SetString(1, "stays", "1");
  const size_t keys = NamesOfAll("").size();
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("")) {
      keys.SetExpiry(1, keys.Find(1, name), kNow + 1000);
    }
  });
  ASSERT_TRUE(store->Stop().ok());
  store.reset();

  Options later;
  later.now_ms = kNow + 1000;
  store = Open("data", later);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().expired, keys);
  EXPECT_EQ(store->recovered().keys, 1u);
  EXPECT_EQ(store->contents().size(), 1u);
  ASSERT_TRUE(store->Stop().ok());
  store.reset();

  // Also for a clock that is behind.
  const Running earlier = Look("data");
  ASSERT_NE(earlier, nullptr);
  EXPECT_EQ(earlier->contents().size(), 1u);
  auto directory = DataDirectory::Open(Path("data"), DataDirectory::Mode::kReadOnly);
  ASSERT_TRUE(directory.ok());
  for (const Family family :
       {Family::kLists, Family::kHashes, Family::kSets, Family::kSortedSets}) {
    const std::unique_ptr<rocksdb::Iterator> rows(
        (*directory)->db().NewIterator({}, (*directory)->family(family)));
    rows->SeekToFirst();
    EXPECT_FALSE(rows->Valid()) << kFamilyNames[static_cast<size_t>(family)];
  }
}

TEST_F(JournalTest, AKeyThatHadExpiredAtTheStartIsMadeAgain) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("")) {
      keys.SetExpiry(0, keys.Find(0, name), kNow + 1000);
    }
  });
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  Options later;
  later.now_ms = kNow + 1000;
  store = Open("data", later);
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  for (const char* key : {"text", "hash700", "list3"}) store->Delete(0, key);
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, WhatIsDeletedStaysAway) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "a-");
  FillAll(*store, 0, "b-");
  ASSERT_TRUE(store->Save().ok());
  for (const std::string& name : NamesOfAll("a-")) store->Delete(0, name);
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("b-")) keys.Unlink(0, name);
  });
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->contents().empty());
}

// Its rows go with it, for the next value may be given the same number.
TEST_F(JournalTest, ALargeValueThatIsEmptiedLeavesNothingBehind) {
  uint64_t bits = 0;
  const auto random = [&] { return ++bits; };
  const auto empty_all = [&](PersistentStore& store, bool at_once) {
    const size_t least = at_once ? kLarge : 1;
    store.Change<List>(0, "list", [&](List& list) {
      while (list.size() > least) list.PopBack();
      list.Trim(list.size(), list.size());
    });
    store.Change<Hash>(0, "hash", [&](Hash& hash) {
      for (int i = 0; i < kLarge; ++i) hash.Remove(Element(i));
    });
    store.Change<Set>(0, "set", [&](Set& set) {
      while (set.size() > least) set.PopRandom(1, random, [](std::string_view) {});
      size_t popped = 0;
      set.PopRandom(kLarge, random, [&](std::string_view) { ++popped; });
      EXPECT_EQ(popped, least);
      EXPECT_EQ(set.size(), 0u);
    });
    store.Change<SortedSet>(0, "zset", [&](SortedSet& set) {
      while (set.size() > least) set.PopMin(1, [](std::string_view, double) {});
      set.PopMax(kLarge, [](std::string_view, double) {});
    });
  };
  const auto fill_all = [](PersistentStore& store, int count) {
    store.Change<List>(0, "list", [&](List& list) { Fill(list, count); });
    store.Change<Hash>(0, "hash", [&](Hash& hash) { Fill(hash, count); });
    store.Change<Set>(0, "set", [&](Set& set) { Fill(set, count); });
    store.Change<SortedSet>(0, "zset", [&](SortedSet& set) { Fill(set, count); });
  };
  for (const bool at_once : {true, false}) {
    SCOPED_TRACE(at_once);
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    fill_all(*store, kLarge);
    ASSERT_TRUE(store->Save().ok());
    empty_all(*store, at_once);
    ASSERT_TRUE(store->Stop().ok());
    store.reset();
    const auto checked = Check("data");
    EXPECT_TRUE(checked.ok()) << checked.status();
    store = Open("data");
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->contents().empty());
    fill_all(*store, kLarge - 100);
    store = Restart(std::move(store), "data");
    ASSERT_NE(store, nullptr);
    store->WithAll([](LockedKeys& keys) { keys.Flush(0); });
    ASSERT_TRUE(store->Stop().ok());
  }
}

TEST_F(JournalTest, ASetThatIsPoppedEmptyAndFilledInOneGoComesBack) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->Change<Set>(0, "set", [](Set& set) { Fill(set, kLarge); });
  ASSERT_TRUE(store->Save().ok());
  store->Change<Set>(0, "set", [](Set& set) {
    uint64_t bits = 0;
    set.PopRandom(
        kLarge, [&] { return ++bits; }, [](std::string_view) {});
    for (int i = 100; i < 300; ++i) set.Add(Element(i));
  });
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, AKeyOfAnotherTypeReplacesTheOneBefore) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  const std::vector<std::string> names = NamesOfAll("");
  for (size_t shift = 0; shift < names.size(); ++shift) {
    FillAll(*store, 0, "");
    ASSERT_TRUE(store->Save().ok());
    // Each key becomes what another one is.
    store->WithAll([&](LockedKeys& keys) {
      std::vector<Entry::Pointer> values;
      for (size_t i = 0; i < names.size(); ++i) {
        values.push_back(keys.Find(0, names[(i + shift) % names.size()])->Clone(names[i]));
      }
      for (Entry::Pointer& value : values) keys.Put(0, std::move(value));
    });
    if (shift % 2 == 0) {
      ASSERT_TRUE(store->Save().ok());
    }
    for (const std::string& name : names) {
      if (shift % 3 == 0) store->SetString(0, name, "a string over it");
    }
    store = Restart(std::move(store), "data");
    ASSERT_NE(store, nullptr);
    store->WithAll([&](LockedKeys& keys) { keys.Flush(0); });
  }
}

TEST_F(JournalTest, ARenamedKeyHasItsNewNameOnly) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "a-");
  FillAll(*store, 0, "c-");
  ASSERT_TRUE(store->Save().ok());
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("")) {
      keys.SetExpiry(0, keys.Find(0, "a-" + name), kNow + 1000);
      keys.Move(0, "a-" + name, 0, "b-" + name);
      keys.Move(0, "b-" + name, 0, "c-" + name);
    }
  });
  store->Change<Hash>(0, "c-hash700", [](Hash& hash) { hash.Set("since", "then"); });
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents().size(), NamesOfAll("").size());
}

TEST_F(JournalTest, AKeyMovesToAnotherDatabaseAndStaysWhenTheOldOneIsEmptied) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("")) keys.Move(0, name, 2, name);
  });
  store->SetString(0, "rest", "1");
  ASSERT_TRUE(store->Save().ok());
  store->WithAll([&](LockedKeys& keys) { keys.Flush(0); });
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents().size(), NamesOfAll("").size());
}

TEST_F(JournalTest, AKeyThatMovesAwayBackAndIsChangedComesBack) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  for (int i = 0; i < 3; ++i) {
    store->WithAll([&](LockedKeys& keys) {
      for (const std::string& name : NamesOfAll("")) keys.Move(0, name, 1, name);
    });
    store->Change<List>(1, "list700", [](List& list) { list.PopFront(); });
    if (i == 1) {
      ASSERT_TRUE(store->Save().ok());
    }
    store->Change<List>(1, "list700", [](List& list) { list.Trim(0, list.size() / 2); });
    store->Change<Set>(1, "set700", [&](Set& set) { set.Remove(Element(i)); });
    store->WithAll([&](LockedKeys& keys) {
      for (const std::string& name : NamesOfAll("")) keys.Move(1, name, 0, name);
    });
    store = Restart(std::move(store), "data");
    ASSERT_NE(store, nullptr);
  }
}

TEST_F(JournalTest, ACopyOfAKeyIsAValueOfItsOwn) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  store->WithAll([&](LockedKeys& keys) {
    for (const std::string& name : NamesOfAll("")) {
      keys.Put(0, keys.Find(0, name)->Clone("copy-" + name));
      keys.Put(3, keys.Find(0, name)->Clone(name));
    }
    for (const std::string& name : NamesOfAll("")) keys.Delete(0, name);
  });
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, DatabasesAreSwapped) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "a-");
  ASSERT_TRUE(store->Save().ok());
  FillAll(*store, 0, "b-");
  FillAll(*store, 1, "c-");
  const Contents before = store->contents();
  store->WithAll([&](LockedKeys& keys) {
    keys.Swap(0, 1);
    keys.Swap(1, 2);
  });
  store->Change<Set>(2, "a-set700", [](Set& set) { set.Add("since"); });
  store->Delete(2, "b-text");
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents().at("0/c-hash700"), before.at("1/c-hash700"));
  EXPECT_EQ(store->contents().at("2/a-zset700"), before.at("0/a-zset700"));
  store->WithAll([&](LockedKeys& keys) {
    keys.Swap(0, 2);
    keys.Flush(2);
  });
  FillAll(*store, 2, "d-");
  Restart(std::move(store), "data");
}

TEST_F(JournalTest, AnEmptiedDatabaseHoldsWhatCameAfterOnly) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "a-");
  FillAll(*store, 1, "stays-");
  ASSERT_TRUE(store->Save().ok());
  FillAll(*store, 0, "b-");
  store->WithAll([&](LockedKeys& keys) {
    keys.Flush(0);
    keys.SetString(0, "a-text", "of after");
    keys.Flush(0);
  });
  store->SetString(0, "a-number", "3");
  store = Restart(std::move(store), "data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents().size(), NamesOfAll("").size() + 1);

  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  auto directory = DataDirectory::Open(Path("data"), DataDirectory::Mode::kReadOnly);
  ASSERT_TRUE(directory.ok());
  const std::unique_ptr<rocksdb::Iterator> rows(
      (*directory)->db().NewIterator({}, (*directory)->family(Family::kKeys)));
  size_t count = 0;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) ++count;
  EXPECT_EQ(count, NamesOfAll("").size() + 1) << "rows of emptied databases are gone";
}

TEST_F(JournalTest, LayersComeBack) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  LayerPolicy policy;
  policy.capacity = 7;
  policy.expiry_ms = 1'000'000;
  policy.exceptions = {{"http.*", 3}};
  const std::string queue = QueueKey("layer", "channel");
  const std::string channels[] = {"channel", "other"};
  const std::vector<std::string_view> members(std::begin(channels), std::end(channels));
  {
    const auto layer = store->layers().Get("layer");
    layer->set_policy(policy);
    layer->groups().Join("chat", members, kNow + 5000, kNow);
    layer->groups().Discard("chat", std::vector<std::string_view>{"other"}, kNow);
    const auto mailbox = layer->MailboxFor("box!", kNow);
    const auto message = std::make_shared<const std::string>("of the mailbox");
    EXPECT_EQ(mailbox->Send("box!a", message, policy, kNow), Mailbox::Sent::kYes);
    EXPECT_EQ(mailbox->Send("box!b", message, policy, kNow), Mailbox::Sent::kYes);
    store->With({queue}, [&](LockedKeys& keys) {
      const int db = keys.store().layers_db();
      Edit<ChannelQueue> edit(keys, db, queue, IfAbsent::kCreate);
      edit->CountIn(layer->shared_counters());
      for (const char* text : {"1", "2", "3"}) edit->Push(text, kNow + 5000, kNow);
    });
    ASSERT_TRUE(store->Save().ok());
    store->With({queue}, [&](LockedKeys& keys) {
      Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kLeave);
      EXPECT_EQ(edit->Pop(), "1");
      edit->Push("4", kNow + 5000, kNow);
      edit.MarkChanged();
    });
  }
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().layers, 1u);
  EXPECT_EQ(store->recovered().channels, 1u);
  EXPECT_EQ(store->recovered().mailboxes, 1u);
  EXPECT_EQ(store->recovered().messages, 5u) << "three of the channel, two of the mailbox";
  const auto layer = store->layers().Find("layer");
  ASSERT_NE(layer, nullptr);
  EXPECT_EQ(*layer->policy(), policy);
  EXPECT_EQ(layer->groups().ExpiryOf("chat", "channel"), kNow + 5000);
  EXPECT_FALSE(layer->groups().ExpiryOf("chat", "other"));
  const auto mailbox = layer->FindMailbox("box!");
  ASSERT_NE(mailbox, nullptr);
  EXPECT_EQ(mailbox->Unread(kNow), 2);
  store->With({queue}, [&](LockedKeys& keys) {
    Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kLeave);
    ASSERT_TRUE(edit);
    ASSERT_EQ(edit->size(), 3u);
    for (const char* text : {"2", "3", "4"}) EXPECT_EQ(edit->Pop(), text);
  });
}

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
  for (int i = 0; before.empty(); ++i) {
    queue = QueueKey("layer", fmt::format("channel-{}", i));
    for (int j = 0; j < 1000 && Store::ShardOf(before) >= Store::ShardOf(queue); ++j) {
      before = fmt::format("before-{}", j);
    }
    if (Store::ShardOf(before) >= Store::ShardOf(queue)) before.clear();
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

// ---- recovery ----

TEST_F(JournalTest, AStartThatIsToldToStopEndsBeforeAllIsReadAndChangesNothing) {
  constexpr int kRows = 20'000;  // looked at now and then
  const std::string queue = QueueKey("layer", "channel");
  for (const bool of_layers : {false, true}) {
    std::filesystem::remove_all(Path("data"));
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    if (of_layers) {
      store->With({queue}, [&](LockedKeys& keys) {
        Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kCreate);
        edit->CountIn(store->layers().Get("layer")->shared_counters());
        for (int i = 0; i < kRows; ++i) edit->Push("message", kNow + 5000, kNow);
      });
    } else {
      store->Change<Hash>(0, "hash", [](Hash& hash) { Fill(hash, kRows / 2); });
      store->WithAll([](LockedKeys& keys) {
        for (int i = 0; i < kRows / 2; ++i) keys.SetString(0, Element(i), "value");
      });
    }
    ASSERT_TRUE(store->Stop().ok());
    store.reset();

    Options options;
    options.stopping = [] { return true; };
    const auto given_up = PersistentStore::Open(Path("data"), options);
    EXPECT_TRUE(absl::IsCancelled(given_up.status())) << given_up.status();

    store = Open("data");
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->recovered().clean);
    EXPECT_EQ(store->recovered().keys + store->recovered().messages,
              static_cast<uint64_t>(of_layers ? kRows : kRows / 2 + 1));
  }
}

TEST_F(JournalTest, RecoveryTellsHowFarItIs) {
  constexpr uint64_t kKeys = 50'000;
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) {
    for (uint64_t i = 0; i < kKeys; ++i) keys.SetInteger(0, std::to_string(i), 1);
  });
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  std::vector<RecoveryProgress> shown;
  Options options;
  options.show_every = absl::ZeroDuration();
  options.show = [&](const RecoveryProgress& progress) { shown.push_back(progress); };
  store = Open("data", options);
  ASSERT_NE(store, nullptr);
  ASSERT_FALSE(shown.empty());
  RecoveryProgress before;
  for (const RecoveryProgress& progress : shown) {
    EXPECT_GE(progress.keys, before.keys);
    EXPECT_GE(progress.rows, progress.keys);
    EXPECT_GE(progress.bytes, progress.rows);
    EXPECT_GE(progress.total_rows, kKeys);
    before = progress;
  }
  EXPECT_LE(before.keys, kKeys);
}

// ---- opening ----

class RefusalTest : public JournalTest {
 protected:
  // Version 4711: the field `version` of records::Format.
  static constexpr const char* kFutureFormat = "\x08\xe7\x24";

  // Makes one family and drops another, where it has a name.
  void ChangeFamilies(const std::string& make, const std::string& drop) {
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : Families()) families.push_back({name, {}});
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, Path("data"), families, &handles, &db).ok());
    const std::unique_ptr<rocksdb::DB> owned(db);
    if (!make.empty()) {
      handles.push_back(nullptr);
      ASSERT_TRUE(db->CreateColumnFamily({}, make, &handles.back()).ok());
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == drop) {
        ASSERT_TRUE(db->DropColumnFamily(handle).ok());
      }
      db->DestroyColumnFamilyHandle(handle);
    }
  }
  [[nodiscard]] std::vector<std::string> Families() const {
    std::vector<std::string> names;
    EXPECT_TRUE(rocksdb::DB::ListColumnFamilies({}, Path("data"), &names).ok());
    return names;
  }
  // Makes the directory one that ends in this row "format".
  void PutFormat(const std::string& content) {
    PutRow("data", Family::kDefault, "format", content);
  }
  void MakeData() {
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    FillAll(*store, 3, "");
    ASSERT_TRUE(store->Stop().ok());
  }
};

TEST_F(RefusalTest, AnotherFormatIsRefusedAndBothAreNamed) {
  PutFormat(kFutureFormat);
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal.find(Path("data")), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("format 4711"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(fmt::format("format {}", DataDirectory::kFormatVersion)),
            std::string::npos)
      << refusal;
}

// RocksDB would say that the families are not those that were asked for, or make those that are
// missing.
TEST_F(RefusalTest, AnotherFormatWithOtherFamiliesIsRefusedAndStaysAsItIs) {
  for (const bool more : {true, false}) {
    std::filesystem::remove_all(Path("data"));
    MakeData();
    PutFormat(kFutureFormat);
    ChangeFamilies(more ? "streams" : "", more ? "" : "sets");
    const std::vector<std::string> families = Families();
    for (const auto mode : {DataDirectory::Mode::kReadWrite, DataDirectory::Mode::kReadOnly,
                            DataDirectory::Mode::kRepair}) {
      const auto opened = DataDirectory::Open(Path("data"), mode);
      EXPECT_EQ(std::string(opened.status().message()),
                fmt::format("the data directory {} has format 4711; this broker reads and writes "
                            "format {}",
                            Path("data"), DataDirectory::kFormatVersion));
    }
    EXPECT_EQ(Families(), families);
  }
}

TEST_F(RefusalTest, AFamilyThatDoesNotBelongToTheFormatIsNamed) {
  MakeData();
  ChangeFamilies("streams", "");
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal.find("streams"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(Path("data")), std::string::npos) << refusal;
}

TEST_F(RefusalTest, AFirstStartThatWasCutShortIsBegunAgain) {
  ASSERT_TRUE(DataDirectory::Open(Path("data"), DataDirectory::Mode::kReadWrite).ok());
  ChangeFamilies("", "mailboxes");
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->contents().empty());
}

TEST_F(RefusalTest, ADirectoryWhoseImportDidNotComeToItsEndIsRefused) {
  Options importing;
  importing.importing = true;
  Running store = Open("data", importing);
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) { keys.Flush(0); });
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  store.reset();
  for (const auto mode : {DataDirectory::Mode::kReadWrite, DataDirectory::Mode::kReadOnly,
                          DataDirectory::Mode::kRepair}) {
    const auto opened = DataDirectory::Open(Path("data"), mode);
    EXPECT_NE(opened.status().message().find("a part of a dump"), std::string::npos);
    EXPECT_NE(opened.status().message().find(Path("data")), std::string::npos);
  }

  store = Open("other", importing);
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  Restart(std::move(store), "other");
}

TEST_F(RefusalTest, AFormatThatCannotBeReadIsRefused) {
  PutFormat("\xff\xff\xff");
  EXPECT_NE(Refusal("data"), "");
}

TEST_F(RefusalTest, TooFewDatabasesAreRefused) {
  MakeData();
  Options few;
  few.databases = 3;
  const std::string refusal = Refusal("data", few);
  EXPECT_NE(refusal.find("database 3"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("databases is 3"), std::string::npos) << refusal;
  // Nothing has happened to it.
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents().size(), NamesOfAll("").size());
}

TEST_F(RefusalTest, FewerDatabasesWillDoIfTheOthersAreEmptyAndMoreWillDo) {
  MakeData();
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) { keys.Swap(0, 3); });
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  for (const int databases : {2, 16, 1, 4}) {
    Options options;
    options.databases = databases;
    store = Open("data", options);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->contents().size(), NamesOfAll("").size());
    if (databases == 16) {
      store->SetString(15, "key", "1");
      ASSERT_TRUE(store->Save().ok());
      store->Delete(15, "key");
    }
    ASSERT_TRUE(store->Stop().ok());
    store.reset();
  }
}

TEST_F(RefusalTest, ASecondOpenerIsRefused) {
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(Refusal("data"),
            fmt::format("the data directory {} is in use by another process", Path("data")));
  store->SetString(0, "key", "1");
  EXPECT_TRUE(store->Save().ok()) << "the first one goes on";
}

TEST_F(RefusalTest, ADirectoryThatAnotherProcessHasOpenIsRefused) {
  MakeData();
  int locked[2], done[2];
  ASSERT_EQ(::pipe(locked), 0);
  ASSERT_EQ(::pipe(done), 0);
  const std::string path = Path("data/LOCK");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  char byte = 0;
  if (child == 0) {
    // As RocksDB does it; nothing here needs a lock that another thread of the parent has.
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    const int file = ::open(path.c_str(), O_RDWR);
    byte = ::fcntl(file, F_SETLK, &whole) == 0 ? 1 : 0;
    const bool told = ::write(locked[1], &byte, 1) == 1;
    ::close(done[1]);
    ::_exit(told && ::read(done[0], &byte, 1) >= 0 ? 0 : 1);
  }
  EXPECT_EQ(::read(locked[0], &byte, 1), 1);
  EXPECT_EQ(byte, 1);
  EXPECT_EQ(Refusal("data"),
            fmt::format("the data directory {} is in use by another process", Path("data")));
  for (const int end : {done[1], done[0], locked[0], locked[1]}) ::close(end);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_NE(Open("data"), nullptr);
}

TEST_F(RefusalTest, ADirectoryThatCannotBeReadIsNotTakenForOneInUse) {
  // RocksDB's message names files, and "clock" has a lock in it.
  std::filesystem::create_directory(Path("clock"));
  std::ofstream(Path("clock/CURRENT")) << "MANIFEST-000004\n";
  const std::string refusal = Refusal("clock");
  EXPECT_NE(refusal, "");
  EXPECT_EQ(refusal.find("in use"), std::string::npos) << refusal;
  EXPECT_EQ(refusal.find('\n'), std::string::npos) << refusal;
}

TEST_F(RefusalTest, AFileInThePlaceOfTheDirectoryIsRefused) {
  std::ofstream(Path("data")) << "a file";
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal.find(Path("data")), std::string::npos) << refusal;
  EXPECT_EQ(refusal.find("in use"), std::string::npos) << refusal;
}

TEST_F(RefusalTest, DamagedRowsAreRefused) {
  const uint32_t space = 0;
  std::string key, parts;
  NameKeyRow(space, "damaged", &key);
  const auto refuses = [&](Family family, const std::string& name, const std::string& content) {
    std::filesystem::remove_all(Path("data"));
    MakeData();
    PutRow("data", family, name, content);
    const std::string refusal = Refusal("data");
    EXPECT_NE(refusal.find("damaged"), std::string::npos)
        << refusal << kFamilyNames[static_cast<size_t>(family)] << " " << name.size();
  };
  std::string content;
  refuses(Family::kKeys, key, "");
  refuses(Family::kKeys, key, "\x05 of no type");
  // Fewer elements than it says.
  AppendKeyHeader({ValueType::kSet, {}, {}, {}}, &content);
  AppendVarint(&content, std::numeric_limits<uint64_t>::max());
  refuses(Family::kKeys, key, content);
  // A large value without its parts.
  content.clear();
  AppendKeyHeader({ValueType::kHash, {}, PartsId{space, 1'000'000}, {}}, &content);
  refuses(Family::kKeys, key, content);
  refuses(Family::kLayers, "", "");
  refuses(Family::kLayers, "player", "no policy");
  refuses(Family::kChannels, "", "");
  refuses(Family::kMailboxes, "", "");
  refuses(Family::kMailboxes, MailboxPrefix("layer", "box!") + "m", "");
}

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
