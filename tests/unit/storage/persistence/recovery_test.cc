// What the start of a broker makes of rows of parts that no key has.

#include "storage/persistence/recovery.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

constexpr int kLarge = 700;

class OrphanedPartsTest : public PersistenceFixture {
 protected:
  static void Fill(Set& set, int count) {
    for (int i = 0; i < count; ++i) set.Add("member " + std::to_string(i));
  }
  // With a set and a hash whose parts have the numbers 1 and 2, or the other way round.
  void MakeData() {
    const Running store = Open("data");
    ASSERT_NE(store, nullptr);
    store->Change<Set>(0, "set", [](Set& set) { Fill(set, kLarge); });
    store->Change<Hash>(0, "hash", [](Hash& hash) {
      for (int i = 0; i < kLarge; ++i) hash.Set(std::to_string(i), "value");
    });
    ASSERT_TRUE(store->Stop().ok());
  }
  void PutPart(ValueType type, PartsId id) {
    std::string name, content;
    if (type == ValueType::kList) {
      NameBlockRow(id, 0, &name);
      AppendVarint(&content, 1);
      AppendElement(&content, "orphan");
    } else {
      NamePartRow(id, "orphan", &name);
      if (type == ValueType::kSortedSet) AppendScore(&content, 1);
    }
    PutRow("data", FamilyOfParts(type), name, content);
  }
};

TEST_F(OrphanedPartsTest, AreDroppedAtTheStartAndCountedAndCheckSaysThatTheyAreThere) {
  MakeData();
  Contents contents;
  {
    const Running store = Look("data");
    ASSERT_NE(store, nullptr);
    contents = store->contents();
    EXPECT_EQ(store->recovered().orphans, 0u);
  }
  std::vector<std::pair<ValueType, PartsId>> orphans = {
      {ValueType::kSet, {0, 1'000'000}},  {ValueType::kSet, {0, 1'000'001}},
      {ValueType::kHash, {0, 1'000'002}}, {ValueType::kSortedSet, {0, 1'000'003}},
      {ValueType::kSortedSet, {4711, 1}},                              // of no database
      {ValueType::kList, {0, 1'000'004}}, {ValueType::kList, {0, 1}},  // of another type
      {ValueType::kSet, {1, 1'000'000}},
  };
  for (const auto& [type, id] : orphans) {
    PutPart(type, id);
    EXPECT_FALSE(Check("data").ok()) << ValueTypeName(type) << " " << id.number;
  }
  // Looking changes nothing.
  ASSERT_NE(Look("data"), nullptr);
  EXPECT_FALSE(Check("data").ok());
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().orphans, orphans.size());
  EXPECT_EQ(store->contents(), contents);
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  const auto checked = Check("data");
  EXPECT_TRUE(checked.ok()) << checked.status();
  store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().orphans, 0u);
  EXPECT_EQ(store->contents(), contents);
}

TEST_F(OrphanedPartsTest, TheirNumbersAreNotGivenAgain) {
  ASSERT_NE(Open("data"), nullptr);
  for (const uint64_t number : {1, 2, 3}) PutPart(ValueType::kSet, {0, number});
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().next_number, 4u);
  store->Change<Set>(0, "set", [](Set& set) { Fill(set, kLarge); });
  const Contents contents = store->contents();
  ASSERT_TRUE(store->Save().ok());
  store.reset();
  EXPECT_TRUE(Check("data").ok());
  store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents(), contents);
}

TEST_F(OrphanedPartsTest, WhatHasExpiredLeavesNone) {
  MakeData();
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) {
    for (const char* key : {"set", "hash"}) keys.SetExpiry(0, keys.Find(0, key), kNow + 1000);
  });
  store = StartAgain(std::move(store), "data", kNow + 1000);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().expired, 2u);
  EXPECT_EQ(store->recovered().orphans, 0u);
}

TEST_F(OrphanedPartsTest, PartsWithoutANumberAreRefusedByCheckAndStartInTheSameWords) {
  for (const Family family :
       {Family::kLists, Family::kHashes, Family::kSets, Family::kSortedSets}) {
    std::filesystem::remove_all(Path("data"));
    MakeData();
    PutRow("data", family, "short", "");
    const auto checked = Check("data");
    EXPECT_FALSE(checked.ok());
    EXPECT_EQ(Refusal("data"), checked.status().message());
  }
}

}  // namespace
}  // namespace chorale
