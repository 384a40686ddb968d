// What the journal promises when the disk is slow.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "storage/persistence/data_directory.h"
#include "tests/unit/storage/persistence/journal_faults_fixture.h"

namespace chorale {
namespace {

// ---- the disk is slow ----

TEST_F(JournalFaultsTest, WithAlwaysARoundIsNotDoneBeforeItsSyncHasReturned) {
  Running store = Open("data", OnFaultyDisk(Journal::Sync::kAlways));
  ASSERT_NE(store, nullptr);
  SetSmallPair(*store, 1);
  ASSERT_TRUE(store->Save().ok());
  for (int i = 2; i < 10; ++i) {
    disk_.HoldSyncs();
    SetSmallPair(*store, i);
    const uint64_t needed = store->journal().needed();
    ASSERT_TRUE(disk_.AwaitHeldSync(kDeadline));
    EXPECT_LT(store->journal().done(), needed);
    EXPECT_EQ(PairOf(*store), i) << "reads go on";
    const std::string without = fmt::format("without-{}", i);
    disk_.CopyWithoutPower(Path("data"), Path(without));
    Running copy = Look(without);
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(PairOf(*copy), i - 1) << "the sync has not returned";

    // Nor is a round that has begun since.
    store->SetString(0, "other", std::to_string(i));
    const uint64_t needed_then = store->journal().needed();
    EXPECT_LT(store->journal().done(), needed);

    disk_.ReleaseSyncs();
    ASSERT_TRUE(store->Await([&] { return store->journal().done() >= needed_then; }));
    const std::string with = fmt::format("with-{}", i);
    disk_.CopyWithoutPower(Path("data"), Path(with));
    copy = Look(with);
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(PairOf(*copy), i);
    EXPECT_EQ(copy->StringOf(0, "other"), std::to_string(i));
  }
}

TEST_F(JournalFaultsTest, WithASlowDiskWritersGoOnUntilTheLimitAndAfterTheSync) {
  Options options = OnFaultyDisk(Journal::Sync::kEverySecond);
  options.most_unsaved_bytes = 1'000'000;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  SetSmallPair(*store, 1);
  disk_.HoldSyncs();
  const uint64_t round = store->journal().Save();
  ASSERT_TRUE(disk_.AwaitHeldSync(kDeadline));

  // On another thread, so that the test ends also if a writer is held.
  auto writing = std::async(std::launch::async, [&] {
    int written = 0;
    for (; !store->journal().full() && written < 10'000; ++written) {
      SetSmallPair(*store, written);
      store->SetString(0, "filler " + std::to_string(written), std::string(1000, 'x'));
      store->WithAll([&](LockedKeys& keys) { (void)keys.Exists(0, "key"); });
    }
    return written;
  });
  EXPECT_EQ(writing.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_LT(store->journal().done(), round);
  disk_.ReleaseSyncs();
  const int written = writing.get();
  EXPECT_GT(written, 100) << "held back although there was room";
  EXPECT_LT(written, 1100) << "not held back";
  EXPECT_TRUE(store->Await([&] { return !store->journal().full(); })) << "and released";
  ASSERT_TRUE(store->Save().ok());
  const Contents contents = store->contents();
  disk_.CopyWithoutPower(Path("data"), Path("copy"));
  const Running copy = Look("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->contents(), contents);
}

TEST_F(JournalFaultsTest, WritersAreToWaitWhileAChangeWaitsForTooLong) {
  Running store = Open("data", OnFaultyDisk(Journal::Sync::kEverySecond));
  ASSERT_NE(store, nullptr);
  const auto change_one = [&] { store->SetString(0, "key", "value"); };
  const auto change_several = [&] { SetSmallPair(*store, 1); };
  for (const std::function<void()>& change :
       {std::function<void()>(change_one), std::function<void()>(change_several)}) {
    disk_.HoldSyncs();
    change();
    EXPECT_FALSE(store->journal().late());
    ASSERT_TRUE(disk_.AwaitHeldSync(kDeadline));
    const absl::Time deadline = absl::Now() + kDeadline;
    while (!store->journal().late() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    EXPECT_TRUE(store->journal().late());
    EXPECT_FALSE(store->journal().full());
    disk_.ReleaseSyncs();
    EXPECT_TRUE(store->Await([&] { return !store->journal().late(); }));
  }
}

TEST_F(JournalFaultsTest, WhatIsBeingWrittenCountsAsWaitingUntilItIsOnDisk) {
  Options options = OnFaultyDisk(Journal::Sync::kEverySecond);
  options.most_unsaved_bytes = 100'000;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  const auto unsaved = [&] { return store->journal().statistics().unsaved_bytes; };
  store->SetString(0, "key", std::string(200'000, 'x'));
  disk_.HoldSyncs();
  const uint64_t round = store->journal().Save();
  ASSERT_TRUE(disk_.AwaitHeldSync(kDeadline));
  EXPECT_GT(unsaved(), 200'000);
  EXPECT_TRUE(store->journal().full()) << "another limit would fill beside it";
  disk_.ReleaseSyncs();
  EXPECT_TRUE(store->Await([&] { return store->journal().done() >= round; }));
  EXPECT_EQ(unsaved(), 0);
  EXPECT_FALSE(store->journal().full());

  // So does what could not be written.
  store->SetString(0, "key", "value");
  store->Delete(0, "other");
  disk_.Fail(Fault::kFull, Files::kAll);
  EXPECT_FALSE(store->Save().ok());
  EXPECT_GT(unsaved(), 0);
  EXPECT_FALSE(store->Save().ok());
  EXPECT_GT(unsaved(), 0);
  disk_.Mend();
  EXPECT_TRUE(store->Save().ok());
  EXPECT_EQ(unsaved(), 0);
}

// ---- copies to another disk ----

class SlowCopyTest : public JournalFaultsTest {
 protected:
  void SetUp() override {
    JournalFaultsTest::SetUp();
    store_ = Open("data", OnFaultyDisk(Journal::Sync::kEverySecond));
    ASSERT_NE(store_, nullptr);
    SetPair(*store_, 1);
    disk_.HoldFilesBelow(Path("copy"));
    copied_ = BeginCopy("copy");
    ASSERT_TRUE(disk_.AwaitHeldFile(kDeadline));
  }
  void TearDown() override {
    disk_.ReleaseFiles();
    store_.reset();
    JournalFaultsTest::TearDown();
  }
  std::future<absl::Status> BeginCopy(const std::string& name) {
    const auto copied = std::make_shared<std::promise<absl::Status>>();
    store_->journal().Copy(Path(name),
                           [copied](const absl::Status& status) { copied->set_value(status); });
    return copied->get_future();
  }
  static bool Happens(std::future<absl::Status>& what) {
    return what.wait_for(absl::ToChronoSeconds(kDeadline)) == std::future_status::ready;
  }

  Running store_;
  std::future<absl::Status> copied_;
};

TEST_F(SlowCopyTest, RoundsGoOnMeanwhileAndTheCopyIsWhole) {
  for (int i = 2; i < 6; ++i) {
    SetPair(*store_, i);
    ASSERT_TRUE(store_->Save().ok());
  }
  EXPECT_FALSE(store_->journal().late());
  disk_.ReleaseFiles();
  ASSERT_TRUE(Happens(copied_));
  ASSERT_TRUE(copied_.get().ok());
  const Running copy = Look("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_GE(PairOf(*copy), 1) << "a round that came later may be there, and then all of it";
  const Contents contents = copy->contents();
  for (const int db : {1, 2}) {
    EXPECT_EQ(contents.at(fmt::format("{}/{}", db, a_)), contents.at(fmt::format("{}/{}", db, b_)));
  }
}

TEST_F(SlowCopyTest, ASecondCopyMeanwhileIsRefusedAndOneAfterItIsMade) {
  std::future<absl::Status> second = BeginCopy("second");
  ASSERT_TRUE(Happens(second));
  EXPECT_NE(second.get().message().find("another copy"), std::string::npos);
  disk_.ReleaseFiles();
  ASSERT_TRUE(Happens(copied_));
  ASSERT_TRUE(copied_.get().ok());
  EXPECT_TRUE(store_->Copy(Path("third")).ok());
}

TEST_F(SlowCopyTest, AFailedJournalIsOpenedAgainWhenTheCopyIsOver) {
  disk_.Fail(Fault::kWriteError, Files::kLogs);
  SetPair(*store_, 2);
  EXPECT_FALSE(store_->Save().ok());
  disk_.Mend();
  const uint64_t round = store_->journal().Save();
  disk_.ReleaseFiles();
  EXPECT_TRUE(store_->Await([&] { return store_->journal().done() >= round; }));
  EXPECT_TRUE(Happens(copied_));
  const Contents contents = store_->contents();
  store_.reset();
  store_ = Open("data", OnFaultyDisk(Journal::Sync::kEverySecond));
  ASSERT_NE(store_, nullptr);
  EXPECT_EQ(store_->contents(), contents);
}

TEST_F(SlowCopyTest, AStopWritesWhatIsLeftAndWaitsForTheCopy) {
  SetPair(*store_, 2);
  auto stopped = std::async(std::launch::async, [&] { return store_->Stop(); });
  // Nothing is missing before the copy is over.
  const auto complete = [&] {
    const auto directory =
        DataDirectory::Open(Path("data"), DataDirectory::Mode::kReadOnly, env_.get());
    return directory.ok() && (*directory)->ReadFormat()->clean;
  };
  const absl::Time deadline = absl::Now() + kDeadline;
  while (!complete() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(complete());
  disk_.ReleaseFiles();
  EXPECT_TRUE(stopped.get().ok());
  ASSERT_TRUE(Happens(copied_));
  EXPECT_TRUE(copied_.get().ok());
  const Running copy = Look("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_GE(PairOf(*copy), 1);
}

TEST_F(JournalFaultsTest, WithoutSyncsARoundIsDoneWhenItWasHandedOver) {
  Running store = Open("data", OnFaultyDisk(Journal::Sync::kNever));
  ASSERT_NE(store, nullptr);
  disk_.HoldSyncs();
  SetSmallPair(*store, 1);
  ASSERT_TRUE(store->Save().ok());
  disk_.ReleaseSyncs();
  store.reset();
  store = Open("data", OnFaultyDisk(Journal::Sync::kNever));
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(PairOf(*store), 1);
}

}  // namespace
}  // namespace chorale
