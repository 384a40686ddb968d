// What is there again after a restart.

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "storage/persistence/data_directory.h"
#include "tests/unit/storage/persistence/journal_fixture.h"

namespace chorale {
namespace {

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
  ExpireAll(*store, 1, kNow + 1000);
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
  ExpireAll(*store, 1, kNow + 1000);
  store = StartAgain(std::move(store), "data", kNow + 1000);
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
  ExpireAll(*store, 0, kNow + 1000);
  store = StartAgain(std::move(store), "data", kNow + 1000);
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

}  // namespace
}  // namespace chorale
