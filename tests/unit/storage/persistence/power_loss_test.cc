// What the journal promises when power is lost.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/storage/persistence/journal_faults_fixture.h"

namespace chorale {
namespace {

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
