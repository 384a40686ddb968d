#include "storage/hash_table.h"

#include <random>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace chorale {
namespace {

struct Node {
  Node* next = nullptr;
  std::string name;
  std::string_view key() const { return name; }
};

class HashTableTest : public testing::Test {
 protected:
  ~HashTableTest() override {
    table_.Drain([](Node* node) { delete node; });
  }
  void Put(int i) { table_.Insert(new Node{nullptr, std::to_string(i)}); }
  void Drop(int i) { delete table_.Remove(std::to_string(i)); }

  HashTable<Node> table_;
};

TEST_F(HashTableTest, FindsWhatWasInsertedAndNothingElse) {
  for (int i = 0; i < 1000; ++i) Put(i);
  EXPECT_EQ(table_.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_NE(table_.Find(std::to_string(i)), nullptr) << i;
  EXPECT_EQ(table_.Find("1000"), nullptr);
  for (int i = 0; i < 990; ++i) Drop(i);
  EXPECT_EQ(table_.size(), 10u);
  EXPECT_EQ(table_.Find("5"), nullptr);
  EXPECT_NE(table_.Find("995"), nullptr);
  EXPECT_LT(table_.bucket_count(), 1000u) << "a table that emptied gives its buckets back";
}

TEST_F(HashTableTest, ScanReturnsEveryElementThatStaysWhileTheTableGrowsAndShrinks) {
  for (int i = 0; i < 500; ++i) Put(i);
  std::set<std::string> seen;
  std::mt19937 random(7);
  uint64_t cursor = 0;
  int extra = 1000;
  do {
    cursor = table_.Scan(cursor, [&](Node* node) { seen.insert(node->name); });
    if (random() % 2 == 0) {
      for (int i = 0; i < 40; ++i) Put(extra++);
    } else {
      for (int i = 0; i < 60 && extra > 1000; ++i) Drop(--extra);
    }
  } while (cursor != 0);
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(seen.contains(std::to_string(i))) << i;
}

TEST_F(HashTableTest, RandomNodeReachesEveryElement) {
  for (int i = 0; i < 20; ++i) Put(i);
  std::mt19937_64 random(11);
  std::set<std::string> seen;
  for (int i = 0; i < 5000; ++i) seen.insert(table_.RandomNode(random)->name);
  EXPECT_EQ(seen.size(), 20u);
}

}  // namespace
}  // namespace chorale
