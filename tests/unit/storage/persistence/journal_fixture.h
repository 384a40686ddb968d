// What the tests of the journal share: values of every type and size, and a restart that is to
// bring all of it back.

#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {

// More elements than any small encoding has, and enough bytes for a list of several blocks.
inline constexpr int kLarge = 700;

inline std::string Element(int i) {
  return fmt::format("element-{:04}-{}", i, std::string(30, 'x'));
}

inline void Fill(List& list, int count) {
  for (int i = 0; i < count; ++i) list.PushBack(Element(i));
}
inline void Fill(Hash& hash, int count) {
  for (int i = 0; i < count; ++i) hash.Set(Element(i), std::to_string(i));
}
inline void Fill(Set& set, int count) {
  for (int i = 0; i < count; ++i) set.Add(Element(i));
}
inline void Fill(SortedSet& set, int count) {
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
  // What FillAll has put there without a prefix.
  static void ExpireAll(PersistentStore& store, int db, int64_t at_ms) {
    store.WithAll([&](LockedKeys& keys) {
      for (const std::string& name : NamesOfAll("")) keys.SetExpiry(db, keys.Find(db, name), at_ms);
    });
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

}  // namespace chorale
