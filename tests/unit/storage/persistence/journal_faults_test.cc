// What the journal promises when the disk does not do as it should.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/unit/storage/persistence/fault_env.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

using Fault = FaultyDisk::Fault;
using Files = FaultyDisk::Files;

constexpr int kFields = 300;  // more than a small hash has

class JournalFaultsTest : public PersistenceFixture {
 protected:
  void SetUp() override {
    PersistenceFixture::SetUp();
    std::tie(a_, b_) = KeysApart("pair");
  }
  void TearDown() override {
    disk_.ReleaseSyncs();
    disk_.ReleaseFiles();
    disk_.Mend();
    PersistenceFixture::TearDown();
  }

  [[nodiscard]] Options OnFaultyDisk(Journal::Sync sync) {
    Options options;
    options.sync = sync;
    options.env = env_.get();
    return options;
  }

  // Sets keys in different shards, of different kinds, to what number `i` makes of them.
  void SetPair(PersistentStore& store, int i) const {
    const std::string value = std::to_string(i);
    store.With({a_, b_}, [&](LockedKeys& keys) {
      for (const std::string& key : {a_, b_}) {
        keys.SetString(0, key, value);
        keys.SetString(0, key, value);
        keys.Delete(1, key);
        Edit<Hash> hash(keys, 1, key, IfAbsent::kCreate);
        for (int field = 0; field < kFields; ++field) hash->Set(std::to_string(field), value);
        hash.Finish();
        // One that is changed in place, and that loses a field with each number.
        Edit<Hash> changed(keys, 2, key, IfAbsent::kCreate);
        if (changed->size() == 0) {
          for (int field = 0; field < kFields; ++field) changed->Set(std::to_string(field), "0");
        }
        changed->Set("number", value);
        changed->Remove(value);
        changed.MarkChanged();
      }
    });
  }
  // A smaller one of its kind.
  void SetSmallPair(PersistentStore& store, int i) const {
    store.With({a_, b_}, [&](LockedKeys& keys) {
      for (const std::string& key : {a_, b_}) keys.SetString(0, key, std::to_string(i));
    });
  }
  // The number that the keys were set to last; -1, and the test has failed, if they are mixed.
  int PairOf(PersistentStore& store) const {
    const std::string value = store.StringOf(0, a_);
    EXPECT_EQ(store.StringOf(0, b_), value);
    return value == "(none)" ? 0 : std::stoi(value);
  }

  std::string a_, b_;
  FaultyDisk disk_;
  const std::unique_ptr<rocksdb::Env> env_ =
      rocksdb::NewCompositeEnv(std::make_shared<FaultyFileSystem>(disk_));
};

// ---- writing fails ----

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

// ---- power is lost ----

TEST_F(JournalFaultsTest, WhatIsDoneSurvivesALossOfPower) {
  for (const Journal::Sync sync : {Journal::Sync::kEverySecond, Journal::Sync::kAlways}) {
    const std::string name = sync == Journal::Sync::kAlways ? "always" : "everysec";
    Running store = Open(name, OnFaultyDisk(sync));
    ASSERT_NE(store, nullptr);
    for (int i = 1; i < 15; ++i) {
      SetPair(*store, i);
      // Enough for tables to be made now and then.
      store->SetString(0, "long", std::string(3 << 20, static_cast<char>('a' + i)));
      ASSERT_TRUE(store->Save().ok());
    }
    const Contents contents = store->contents();
    ASSERT_TRUE(store->Stop().ok());
    disk_.CopyWithoutPower(Path(name), Path(name + "-copy"));
    const Running copy = Look(name + "-copy");
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(copy->contents(), contents);
    EXPECT_TRUE(copy->recovered().clean);
  }
}

// Else owners of mailboxes would resume although what came later is gone.
TEST_F(JournalFaultsTest, AfterALossOfPowerNoDirectorySaysThatNothingIsMissing) {
  for (const Journal::Sync sync :
       {Journal::Sync::kEverySecond, Journal::Sync::kAlways, Journal::Sync::kNever}) {
    const std::string name = fmt::format("mode-{}", static_cast<int>(sync));
    Running store = Open(name, OnFaultyDisk(sync));
    ASSERT_NE(store, nullptr);
    ASSERT_TRUE(store->Stop().ok());
    store.reset();
    store = Open(name, OnFaultyDisk(sync));
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->recovered().clean) << "it was stopped in order";
    disk_.CopyWithoutPower(Path(name), Path(name + "-copy"));
    const Running copy = Look(name + "-copy");
    ASSERT_NE(copy, nullptr);
    EXPECT_FALSE(copy->recovered().clean) << name;
  }
}

// The last log of the directory.
std::string LastLog(const std::string& path) {
  std::string last;
  for (const auto& file : std::filesystem::directory_iterator(path)) {
    if (FaultyDisk::IsLog(file.path().string())) last = std::max(last, file.path().string());
  }
  return last;
}

class TornLogTest : public JournalFaultsTest {
 protected:
  static constexpr int kRounds = 12;

  // Writes rounds 1 to kRounds, and copies the directory as a kill leaves it.
  void MakeRounds() {
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    ends_.push_back(0);
    states_.push_back(store->contents());
    for (int i = 1; i <= kRounds; ++i) {
      i % 4 == 0 ? SetPair(*store, i) : SetSmallPair(*store, i);
      ASSERT_TRUE(store->Save().ok());
      ends_.push_back(std::filesystem::file_size(LastLog(Path("data"))));
      states_.push_back(store->contents());
    }
    std::filesystem::copy(Path("data"), Path("copy"));
    log_ = LastLog(Path("copy"));
    // Keys of several shards are one batch each; the file holds nothing else after them.
    ASSERT_EQ(std::filesystem::file_size(log_), ends_.back());
  }
  // The last round that is complete in so many bytes.
  [[nodiscard]] size_t RoundAt(uint64_t bytes) const {
    size_t round = 0;
    while (round + 1 < ends_.size() && ends_[round + 1] <= bytes) ++round;
    return round;
  }

  std::string log_;
  std::vector<uint64_t> ends_;    // of the rounds, in the log
  std::vector<Contents> states_;  // after the rounds
};

TEST_F(TornLogTest, ALogThatEndsAnywhereHoldsTheRoundsBefore) {
  MakeRounds();
  uint64_t end = ends_.back();
  std::mt19937_64 random(1);
  int looks = 0;
  while (end > 0) {
    // The borders of rounds and what is around them, and random places between.
    const uint64_t border = ends_[RoundAt(end - 1)];
    end -= end - border <= 2 ? 1 : 1 + random() % std::min<uint64_t>(end - border - 1, 2500);
    std::filesystem::resize_file(log_, end);
    const Running copy = Look("copy");
    ASSERT_NE(copy, nullptr) << "a log of " << end << " bytes";
    ASSERT_EQ(copy->contents(), states_[RoundAt(end)]) << "a log of " << end << " bytes";
    ++looks;
  }
  EXPECT_GT(looks, 3 * kRounds);
}

TEST_F(TornLogTest, ADirectoryWithATornLogIsWrittenOn) {
  MakeRounds();
  for (int round = kRounds; round > 0; --round) {
    const auto place = static_cast<size_t>(round);
    const std::string name = fmt::format("torn-{}", round);
    std::filesystem::copy(Path("copy"), Path(name));
    std::filesystem::resize_file(LastLog(Path(name)), (ends_[place] + ends_[place - 1]) / 2);
    Running store = Open(name);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->contents(), states_[place - 1]);
    SetPair(*store, 100);
    ASSERT_TRUE(store->Save().ok());
    const Contents contents = store->contents();
    store.reset();
    store = Open(name);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->contents(), contents);
  }
}

// A disk that changes what was written is not a crash: whatever was behind would be lost.
TEST_F(TornLogTest, ADamagedByteBeforeTheEndIsNotPassedOver) {
  MakeRounds();
  for (int round = 2; round < kRounds; round += 3) {
    const auto place = static_cast<size_t>(round);
    const std::string name = fmt::format("damaged-{}", round);
    std::filesystem::copy(Path("copy"), Path(name));
    {
      std::fstream log(LastLog(Path(name)), std::ios::in | std::ios::out | std::ios::binary);
      const auto at = static_cast<std::streamoff>((ends_[place] + ends_[place - 1]) / 2);
      log.seekg(at);
      const int byte = log.get();
      log.seekp(at);
      log.put(static_cast<char>(byte ^ 0x55));
    }
    EXPECT_NE(Refusal(name), "") << "round " << round;
  }
}

// Some file systems give a file its size before its last blocks: they are zeros after a loss of
// power. If the last round has a beginning, its end is not told from damage, and the directory is
// refused; in no case is a part of the round there.
TEST_F(TornLogTest, ALogWhoseLastBlocksWereNotWrittenHoldsNoPartOfARound) {
  MakeRounds();
  const auto zeros_from = [&](const std::string& name, uint64_t begin) {
    std::filesystem::copy(Path("copy"), Path(name));
    const std::string log = LastLog(Path(name));
    std::filesystem::resize_file(log, begin);
    std::filesystem::resize_file(log, ends_[kRounds]);
    return PersistentStore::Open(Path(name), {});
  };
  const auto all = zeros_from("all", ends_[kRounds - 1]);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ((*all)->contents(), states_[kRounds - 1]);
  for (uint64_t begin = ends_[kRounds - 1] + 8; begin < ends_[kRounds];
       begin += 1 + (ends_[kRounds] - ends_[kRounds - 1]) / 9) {
    const auto opened = zeros_from(fmt::format("from-{}", begin), begin);
    if (opened.ok()) {
      EXPECT_EQ((*opened)->contents(), states_[kRounds - 1]);
    } else {
      EXPECT_NE(opened.status().message().find("Corruption"), std::string::npos) << opened.status();
    }
  }
}

}  // namespace
}  // namespace chorale
