#include "storage/persistence/round_batch.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/key_hash.h"
#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

// Rounds of one shard, beside a journal that waits for it meanwhile.
class RoundBatchTest : public PersistenceFixture {
 protected:
  static constexpr HoldBack kHoldNothing{};
  static constexpr HoldBack kHoldAll{kNow - 1, kNow};

  void SetUp() override {
    PersistenceFixture::SetUp();
    store_ = Open("data");
    ASSERT_NE(store_, nullptr);
    auto directory = DataDirectory::Open(Path("rounds"), DataDirectory::Mode::kReadWrite);
    ASSERT_TRUE(directory.ok());
    directory_ = std::move(*directory);
    batch_ = std::make_unique<RoundBatch>(*directory_);
  }
  void TearDown() override {
    batch_.reset();
    directory_.reset();
    store_.reset();
    PersistenceFixture::TearDown();
  }

  // Queues in this shard that share a bucket as long as they are few.
  static std::vector<std::string> QueuesTogether(size_t count) {
    std::vector<std::string> names;
    for (int i = 0; names.size() < count; ++i) {
      const std::string name = QueueKey("layer", "channel" + std::to_string(i));
      if (Store::ShardOf(name) == kShard && HashKey(name) % 64 == 0) names.push_back(name);
    }
    return names;
  }
  void Push(LockedKeys& keys, const std::string& queue) {
    Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kCreate);
    edit->CountIn(store_->layers().Get("layer")->shared_counters());
    edit->Push("message", kNow + 5000, kNow);
  }
  static void Pop(LockedKeys& keys, const std::string& queue) {
    Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kLeave);
    (void)edit->Pop();
  }
  static size_t Changed(LockedKeys& keys, int db) {
    return keys.DatabaseIn(kShard, db).unsaved.changed.size();
  }
  // Returns whether anything was held back.
  bool Round(LockedKeys& keys, HoldBack hold_back) {
    const bool held_back = batch_->CollectShard(keys, kShard, {0, 1, 2, 3}, hold_back);
    batch_->Seal();
    rows_ = batch_->sealed().Count();
    batch_->ClearSealed();
    return held_back;
  }

  static constexpr int kShard = 5;
  Running store_;
  std::unique_ptr<DataDirectory> directory_;
  std::unique_ptr<RoundBatch> batch_;
  int rows_ = 0;  // of the last round
};

TEST_F(RoundBatchTest, QueuesThatAreHeldBackAreThereOnceEachHoweverManyRoundsGoBy) {
  const std::vector<std::string> queues = QueuesTogether(3);
  store_->WithAll([&](LockedKeys& keys) {
    const int db = keys.store().layers_db();
    for (const std::string& queue : queues) Push(keys, queue);
    for (int round = 0; round < 20; ++round) {
      EXPECT_TRUE(Round(keys, kHoldAll));
      EXPECT_EQ(rows_, 0);
      ASSERT_EQ(Changed(keys, db), queues.size()) << "round " << round;
    }
    EXPECT_FALSE(Round(keys, kHoldNothing));
    EXPECT_EQ(rows_, 3);
    EXPECT_EQ(Changed(keys, db), 0u);
  });
}

TEST_F(RoundBatchTest, OfAQueueThatIsHeldBackAndEmptiedNothingIsWritten) {
  const std::vector<std::string> queues = QueuesTogether(2);
  store_->WithAll([&](LockedKeys& keys) {
    for (const std::string& queue : queues) Push(keys, queue);
    EXPECT_TRUE(Round(keys, kHoldAll));
    Pop(keys, queues[0]);
    EXPECT_FALSE(Round(keys, kHoldNothing));
    EXPECT_EQ(rows_, 1);
  });
}

TEST_F(RoundBatchTest, WhatComesAndGoesBetweenTwoRoundsLeavesLittleBehind) {
  const std::vector<std::string> names = QueuesTogether(7);
  const std::vector<std::string> gone(names.begin(), names.begin() + 3);
  const std::vector<std::string> stays(names.begin() + 3, names.end());
  constexpr size_t kLittle = 5000;
  store_->WithAll([&](LockedKeys& keys) {
    const int db = keys.store().layers_db();
    for (const std::string& name : stays) {
      Push(keys, name);
      keys.SetString(0, name, "value");
    }
    Edit<Set> set(keys, 1, stays[0], IfAbsent::kCreate);
    Edit<Hash> hash(keys, 1, stays[1], IfAbsent::kCreate);
    Edit<SortedSet> sorted_set(keys, 1, stays[2], IfAbsent::kCreate);
    for (int i = 0; i < 1000; ++i) {
      set->Add(std::to_string(i) + "x");
      hash->Set(std::to_string(i), "value");
      sorted_set->Add(std::to_string(i), i);
    }
    set.Finish();
    hash.Finish();
    sorted_set.Finish();
    EXPECT_FALSE(Round(keys, kHoldNothing));

    const int64_t bytes = g_unsaved_bytes;
    for (const std::string& name : stays) Push(keys, name);
    Edit<Set> set_again(keys, 1, stays[0], IfAbsent::kLeave);
    Edit<Hash> hash_again(keys, 1, stays[1], IfAbsent::kLeave);
    Edit<SortedSet> sorted_set_again(keys, 1, stays[2], IfAbsent::kLeave);
    set_again->Add("stays");
    hash_again->Set("stays", "1");
    sorted_set_again->Add("stays", 1);
    for (int i = 0; i < 20'000; ++i) {
      const std::string& name = gone[static_cast<size_t>(i) % gone.size()];
      Push(keys, name);
      Pop(keys, name);
      keys.SetString(0, name, "value");
      keys.Delete(0, name);
      const std::string part = "comes and goes " + std::to_string(i % 10);
      set_again->Add(part);
      set_again->Remove(part);
      hash_again->Set(part, "value");
      hash_again->Remove(part);
      sorted_set_again->Add(part, 1);
      sorted_set_again->Remove(part);
      // Of this one there is a row.
      set_again->Remove("0x");
      set_again->Add("0x");
    }
    EXPECT_LT(Changed(keys, db), kLittle);
    EXPECT_LT(Changed(keys, 0), kLittle);
    EXPECT_LT(set_again->parts()->names.changed.size(), kLittle);
    EXPECT_LT(hash_again->parts()->names.changed.size(), kLittle);
    EXPECT_LT(sorted_set_again->parts()->names.changed.size(), kLittle);
    EXPECT_LT(g_unsaved_bytes - bytes, 10'000) << "and what waits is not taken for more";
    set_again.MarkChanged();
    hash_again.MarkChanged();
    sorted_set_again.MarkChanged();
    set_again.Finish();
    hash_again.Finish();
    sorted_set_again.Finish();
    EXPECT_FALSE(Round(keys, kHoldNothing));
    EXPECT_EQ(rows_, 4 + 3 + 4) << "messages, keys, and of parts those that stay and \"0x\"";
    EXPECT_EQ(Changed(keys, 0), 0u);
  });
}

}  // namespace
}  // namespace chorale
