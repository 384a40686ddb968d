// What the journal promises when writing fails.

#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <random>
#include <string>

#include "tests/unit/storage/persistence/journal_faults_fixture.h"

namespace chorale {
namespace {

struct FaultCase {
  const char* name;
  Fault fault;
  Files files;
  Journal::Sync sync;
  friend void PrintTo(const FaultCase& fault, std::ostream* out) { *out << fault.name; }
};

class FailingDiskTest : public JournalFaultsTest, public testing::WithParamInterface<FaultCase> {
 protected:
  void SetUp() override {
    JournalFaultsTest::SetUp();
    store_ = Open("data", OnFaultyDisk(GetParam().sync));
    ASSERT_NE(store_, nullptr);
    SetPair(*store_, 1);
    ASSERT_TRUE(store_->Save().ok());
  }
  void TearDown() override {
    disk_.Mend();
    store_.reset();
    JournalFaultsTest::TearDown();
  }
  void Break() { disk_.Fail(GetParam().fault, GetParam().files); }
  // What is there after a kill and a restart.
  void ExpectOnDisk(const Contents& contents) {
    store_.reset();
    store_ = Open("data", OnFaultyDisk(GetParam().sync));
    ASSERT_NE(store_, nullptr);
    EXPECT_EQ(store_->contents(), contents);
  }

  Running store_;
};

TEST_P(FailingDiskTest, TheFailureStaysUntilASaveSucceeds) {
  Journal& journal = store_->journal();
  Break();
  const uint64_t done = journal.done();
  SetPair(*store_, 2);
  EXPECT_TRUE(store_->Await([&] { return journal.failed(); })) << "without being asked to";
  EXPECT_NE(journal.failure(), "");
  EXPECT_EQ(journal.failure().find('\n'), std::string::npos);
  EXPECT_EQ(journal.done(), done);
  EXPECT_GT(journal.over(), done);
  EXPECT_EQ(PairOf(*store_), 2) << "reads go on";

  EXPECT_FALSE(store_->Save().ok()) << "the disk is as it was";
  EXPECT_TRUE(journal.failed());
  EXPECT_EQ(journal.done(), done);

  disk_.Mend();
  const uint64_t over = journal.over();
  EXPECT_TRUE(journal.failed()) << "nobody has tried again";
  ASSERT_TRUE(store_->Save().ok());
  EXPECT_FALSE(journal.failed());
  EXPECT_EQ(journal.failure(), "");
  EXPECT_GT(journal.done(), over);
  ExpectOnDisk(store_->contents());
}

TEST_P(FailingDiskTest, WhatChangesWhileWritingFailsIsWrittenWhenItIsTriedAgain) {
  SetPair(*store_, 2);
  store_->SetString(0, "goes", "1");
  ASSERT_TRUE(store_->Save().ok());
  Break();
  // Each try collects what has changed since the one before.
  for (int i = 3; i < 8; ++i) {
    SetPair(*store_, i);
    store_->SetString(0, std::to_string(i), "of a round that failed");
    store_->SetString(3, "comes and goes", "1");
    EXPECT_FALSE(store_->Save().ok());
    store_->Delete(3, "comes and goes");
    store_->Delete(0, "goes");
    store_->Delete(0, std::to_string(i - 1));
    if (i == 5) {
      store_->WithAll([](LockedKeys& keys) {
        keys.Swap(0, 3);
        keys.Flush(0);
        keys.Swap(0, 3);
      });
    }
  }
  disk_.Mend();
  ASSERT_TRUE(store_->Save().ok());
  const Contents contents = store_->contents();
  ASSERT_TRUE(store_->Copy(Path("copy")).ok());
  const Running copy = Look("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->contents(), contents);
  ExpectOnDisk(contents);
}

TEST_P(FailingDiskTest, AKillWhileWritingFailsLeavesAnEarlierRoundOrThatOne) {
  Break();
  for (int i = 2; i < 5; ++i) {
    SetPair(*store_, i);
    EXPECT_FALSE(store_->Save().ok());
  }
  disk_.Mend();
  store_.reset();
  store_ = Open("data", OnFaultyDisk(GetParam().sync));
  ASSERT_NE(store_, nullptr);
  EXPECT_GE(PairOf(*store_), 1);
  const Contents contents = store_->contents();
  for (const int db : {1, 2}) {
    EXPECT_EQ(contents.at(fmt::format("{}/{}", db, a_)), contents.at(fmt::format("{}/{}", db, b_)));
  }
}

TEST_P(FailingDiskTest, AStopWhileWritingFailsSaysSoAndOneAfterItWritesEverything) {
  Break();
  SetPair(*store_, 2);
  EXPECT_FALSE(store_->Stop().ok());
  disk_.Mend();
  store_.reset();
  store_ = Open("data", OnFaultyDisk(GetParam().sync));
  ASSERT_NE(store_, nullptr);
  // What was written and not synced may be there or not; if it says that nothing is missing, it is.
  const auto pair = PairOf(*store_);
  EXPECT_TRUE(pair == 2 || (pair == 1 && !store_->recovered().clean))
      << testing::PrintToString(pair);

  Break();
  SetPair(*store_, 3);
  EXPECT_FALSE(store_->Save().ok());
  disk_.Mend();
  EXPECT_TRUE(store_->Stop().ok());
  store_.reset();
  store_ = Open("data", OnFaultyDisk(GetParam().sync));
  ASSERT_NE(store_, nullptr);
  EXPECT_TRUE(store_->recovered().clean);
  EXPECT_EQ(PairOf(*store_), 3);
}

TEST_P(FailingDiskTest, WritersAreNotHeldBackWhileWritingFails) {
  store_.reset();
  Options options = OnFaultyDisk(GetParam().sync);
  options.most_unsaved_bytes = 10'000;
  store_ = Open("data", options);
  ASSERT_NE(store_, nullptr);
  Break();
  SetPair(*store_, 2);
  EXPECT_FALSE(store_->Save().ok());
  SetPair(*store_, 3);
  EXPECT_FALSE(store_->journal().full()) << "they are refused, which is not for the journal to do";
}

TEST_P(FailingDiskTest, ACopyWhileWritingFailsIsRefused) {
  Break();
  SetPair(*store_, 2);
  EXPECT_FALSE(store_->Save().ok());
  EXPECT_FALSE(store_->Copy(Path("copy")).ok());
  disk_.Mend();
  ASSERT_TRUE(store_->Copy(Path("copy of after")).ok());
  EXPECT_FALSE(store_->journal().failed());
  const Running copy = Look("copy of after");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(PairOf(*copy), 2);
}

TEST_P(FailingDiskTest, ManyFailuresLoseNothing) {
  std::mt19937_64 random(1);
  for (int i = 2; i < 40; ++i) {
    SetPair(*store_, i);
    if (random() % 3 == 0) {
      Break();
    } else {
      disk_.Mend();
    }
    const bool saved = store_->Save().ok();
    EXPECT_EQ(saved, !store_->journal().failed());
  }
  disk_.Mend();
  ASSERT_TRUE(store_->Save().ok());
  ExpectOnDisk(store_->contents());
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FailingDiskTest,
    testing::Values(
        FaultCase{"WriteErrorEverySecond", Fault::kWriteError, Files::kLogs,
                  Journal::Sync::kEverySecond},
        FaultCase{"WriteErrorAlways", Fault::kWriteError, Files::kLogs, Journal::Sync::kAlways},
        FaultCase{"WriteErrorOfAllFiles", Fault::kWriteError, Files::kAll,
                  Journal::Sync::kEverySecond},
        FaultCase{"FullEverySecond", Fault::kFull, Files::kAll, Journal::Sync::kEverySecond},
        FaultCase{"FullAlways", Fault::kFull, Files::kAll, Journal::Sync::kAlways},
        FaultCase{"FullForLogs", Fault::kFull, Files::kLogs, Journal::Sync::kEverySecond},
        FaultCase{"SyncErrorEverySecond", Fault::kSyncError, Files::kAll,
                  Journal::Sync::kEverySecond},
        FaultCase{"SyncErrorAlways", Fault::kSyncError, Files::kLogs, Journal::Sync::kAlways}),
    [](const testing::TestParamInfo<FaultCase>& info) { return info.param.name; });

TEST_F(JournalFaultsTest, NothingIsLostWhenTablesCannotBeWritten) {
  for (const Fault fault : {Fault::kFull, Fault::kWriteError}) {
    Running store = Open("data", OnFaultyDisk(Journal::Sync::kEverySecond));
    ASSERT_NE(store, nullptr);
    disk_.Fail(fault, Files::kTables);
    const int failures = disk_.failures();
    // Until RocksDB has wanted to make a table of it.
    for (int i = 0; i < 200 && disk_.failures() == failures; ++i) {
      store->SetString(0, std::to_string(i % 10),
                       std::string(1 << 20, static_cast<char>('a' + i % 26)));
      (void)store->Save();
    }
    EXPECT_GT(disk_.failures(), failures);
    SetPair(*store, 7);
    disk_.Mend();
    ASSERT_TRUE(store->Save().ok()) << "what has failed in the background is no reason";
    const Contents contents = store->contents();
    store.reset();
    store = Open("data", OnFaultyDisk(Journal::Sync::kEverySecond));
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->contents(), contents);
  }
}

TEST_F(JournalFaultsTest, ADirectoryOnAFullDiskIsRefusedInOneLine) {
  disk_.Fail(Fault::kFull, Files::kAll);
  const std::string refusal = Refusal("data", OnFaultyDisk(Journal::Sync::kAlways));
  EXPECT_NE(refusal.find("No space left on device"), std::string::npos) << refusal;
  EXPECT_EQ(refusal.find('\n'), std::string::npos);
  disk_.Mend();
  EXPECT_NE(Open("data", OnFaultyDisk(Journal::Sync::kAlways)), nullptr);
}

}  // namespace
}  // namespace chorale
