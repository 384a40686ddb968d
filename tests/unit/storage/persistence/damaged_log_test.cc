// What happens to a directory whose log a loss of power or a disk has damaged: nothing is dropped
// in silence, and --repair drops whole rounds.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "storage/persistence/check.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

constexpr int kRounds = 6;
// Of each round: several blocks of the log.
constexpr size_t kRoundBytes = 100'000;

class DamagedLogTest : public PersistenceFixture {
 public:
  static constexpr uint64_t kBlock = 32 << 10;  // of RocksDB's logs

  void Overwrite(uint64_t begin, const std::string& bytes) const {
    std::fstream log(Log(), std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(static_cast<std::streamoff>(begin));
    log << bytes;
  }
  void Zero(uint64_t begin, uint64_t end) const {
    Overwrite(begin, std::string(end - begin, '\0'));
  }
  void Flip(uint64_t place) const {
    std::ifstream log(Log(), std::ios::binary);
    log.seekg(static_cast<std::streamoff>(place));
    Overwrite(place, std::string(1, static_cast<char>(log.get() ^ 0x10)));
  }
  void Cut(uint64_t end) const { std::filesystem::resize_file(Log(), end); }
  // Where the round ends in the log.
  [[nodiscard]] uint64_t End(int round) const { return ends_[static_cast<size_t>(round) - 1]; }

 protected:
  void SetUp() override {
    PersistenceFixture::SetUp();
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    for (int round = 1; round <= kRounds; ++round) {
      SetAll(*store, round);
      ASSERT_TRUE(store->Save().ok());
      ends_.push_back(std::filesystem::file_size(Log()));
    }
  }

  // Keys in several shards and of two kinds.
  static void SetAll(PersistentStore& store, int round) {
    store.WithAll([&](LockedKeys& keys) {
      for (int key = 0; key < 10; ++key) {
        keys.SetString(0, std::to_string(key), std::to_string(round));
      }
      keys.SetString(1, "long", std::string(kRoundBytes, static_cast<char>('a' + round)));
      Edit<Hash> hash(keys, 2, "hash", IfAbsent::kCreate);
      for (int field = 0; field < 600; ++field) {
        hash->Set(std::to_string(field), std::to_string(round));
      }
      hash.MarkChanged();
    });
  }
  // The round that everything is of; -1, and the test has failed, if it is of several.
  int RoundOf(PersistentStore& store) {
    const Contents found = store.contents();
    const std::string text = store.StringOf(0, "0");
    const int round = text == "(none)" ? 0 : std::stoi(text);
    Contents expected;
    if (round > 0) {
      const Running other = Open("other" + std::to_string(opened_++));
      SetAll(*other, round);
      expected = other->contents();
    }
    EXPECT_EQ(found, expected) << "of several rounds";
    return round;
  }

  [[nodiscard]] std::string Log() const {
    std::string log;
    for (const auto& file : std::filesystem::directory_iterator(Path("data"))) {
      const std::string path = file.path().string();
      if (path.ends_with(".log") && path > log) log = path;
    }
    return log;
  }

  std::vector<uint64_t> ends_;
  int opened_ = 0;
};

struct Damage {
  const char* name;
  // Done to the log, whose end the last round has, and that of before.
  void (*damage)(const DamagedLogTest& log, uint64_t before, uint64_t end);
  int left;  // the last round that is whole
  bool refused;
  friend void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }
};

class DamageTest : public DamagedLogTest, public testing::WithParamInterface<Damage> {};

TEST_P(DamageTest, IsRefusedAndRepairedOrWasTheEndOfALogThatWasNotWritten) {
  const Damage& damage = GetParam();
  damage.damage(*this, End(kRounds - 1), End(kRounds));
  if (damage.refused) {
    for (int i = 0; i < 2; ++i) {
      const std::string refusal = Refusal("data");
      EXPECT_NE(refusal.find(fmt::format("chorale-server --repair {} ", Path("data"))),
                std::string::npos)
          << refusal;
      EXPECT_EQ(refusal.find('\n'), std::string::npos) << refusal;
    }
    auto directory = DataDirectory::Open(Path("data"), DataDirectory::Mode::kReadOnly);
    EXPECT_NE(directory.status().message().find("--repair"), std::string::npos)
        << directory.status();
  }
  {
    auto directory = DataDirectory::Open(Path("data"), DataDirectory::Mode::kRepair);
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_EQ((*directory)->dropped(), damage.refused);
    ASSERT_TRUE((*directory)->MarkIncomplete().ok());
    const auto summary = CheckRows(**directory, kNow);
    EXPECT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->clean, false);
  }
  // And what is written from here on stays.
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_FALSE(store->recovered().clean);
  EXPECT_EQ(RoundOf(*store), damage.left);
  SetAll(*store, kRounds + 1);
  ASSERT_TRUE(store->Save().ok());
  store = nullptr;
  store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(RoundOf(*store), kRounds + 1);
}

using Log = DamagedLogTest;
INSTANTIATE_TEST_SUITE_P(
    Damages, DamageTest,
    testing::Values(
        Damage{"ZerosToTheEndFromWithinARound",
               [](const Log& log, uint64_t, uint64_t end) { log.Zero(end - 50'000, end); },
               kRounds - 1, true},
        Damage{"ZerosToTheEndFromTheNextBlockOn",
               [](const Log& log, uint64_t before, uint64_t end) {
                 log.Zero((before / Log::kBlock + 1) * Log::kBlock, end);
               },
               kRounds - 1, true},
        Damage{"ZerosToTheEndFromWithinTheRoundBefore",
               [](const Log& log, uint64_t before, uint64_t end) { log.Zero(before - 10, end); },
               kRounds - 2, true},
        Damage{"ZerosForItsLastBytes",
               [](const Log& log, uint64_t, uint64_t end) { log.Zero(end - 5, end); }, kRounds - 1,
               true},
        Damage{"ZerosForItsLastBytesAndBehindThem",
               [](const Log& log, uint64_t, uint64_t end) { log.Zero(end - 5, end + 4096); },
               kRounds - 1, true},
        Damage{"ABitOfTheLastRound",
               [](const Log& log, uint64_t, uint64_t end) { log.Flip(end - 5); }, kRounds - 1,
               true},
        Damage{"ABitOfTheRoundBefore",
               [](const Log& log, uint64_t before, uint64_t) { log.Flip(before - 50'000); },
               kRounds - 2, true},
        Damage{"ZerosInThePlaceOfARoundInTheMiddle",
               [](const Log& log, uint64_t, uint64_t) { log.Zero(log.End(3), log.End(4)); }, 3,
               true},
        Damage{"TheEndIsMissing",
               [](const Log& log, uint64_t, uint64_t end) { log.Cut(end - 50'000); }, kRounds - 1,
               false},
        Damage{"ZerosInThePlaceOfTheLastRound",
               [](const Log& log, uint64_t before, uint64_t end) { log.Zero(before, end); },
               kRounds - 1, false},
        Damage{"ZerosBehindTheEnd",
               [](const Log& log, uint64_t, uint64_t end) { log.Zero(end, end + 40'000); }, kRounds,
               false},
        Damage{"None", [](const Log&, uint64_t, uint64_t) {}, kRounds, false}),
    [](const testing::TestParamInfo<Damage>& info) { return info.param.name; });

TEST_F(DamagedLogTest, ADirectoryThatIsInUseIsNotRepaired) {
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  const auto directory = DataDirectory::Open(Path("data"), DataDirectory::Mode::kRepair);
  EXPECT_EQ(directory.status().message(),
            fmt::format("the data directory {} is in use by another process", Path("data")));
}

TEST_F(DamagedLogTest, WhereThereIsNoDirectoryNoneIsMade) {
  const auto directory = DataDirectory::Open(Path("nowhere"), DataDirectory::Mode::kRepair);
  EXPECT_FALSE(directory.ok());
  EXPECT_FALSE(std::filesystem::exists(Path("nowhere")));
}

TEST_F(DamagedLogTest, WhatElseIsDamagedIsRefusedWithoutAWordOfRepair) {
  std::filesystem::path manifest;
  for (const auto& file : std::filesystem::directory_iterator(Path("data"))) {
    if (file.path().filename().string().starts_with("MANIFEST")) manifest = file.path();
  }
  std::filesystem::resize_file(manifest, 0);
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal, "");
  EXPECT_EQ(refusal.find("--repair"), std::string::npos) << refusal;
  EXPECT_FALSE(DataDirectory::Open(Path("data"), DataDirectory::Mode::kRepair).ok());
}

// RocksDB cannot tell such zeros from a log that was never written further; what it opens is still
// a prefix of the rounds.
TEST_F(DamagedLogTest, ZerosWhereARoundBeginsInTheLastBlockAreTakenForTheEndOfTheLog) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  std::vector<uint64_t> ends;
  for (int i = 0; i < 4; ++i) {
    store->SetString(3, "small", std::to_string(i));
    ASSERT_TRUE(store->Save().ok());
    ends.push_back(std::filesystem::file_size(Log()));
  }
  store = nullptr;
  ASSERT_EQ(ends.front() / kBlock, ends.back() / kBlock);
  Zero(ends[1], ends[2]);
  store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->StringOf(3, "small"), "1");
}

// What was exact before is not any more: owners of mailboxes are given new epochs.
TEST_F(DamagedLogTest, AfterARepairNothingClaimsToBeComplete) {
  for (const Journal::Sync sync : {Journal::Sync::kAlways, Journal::Sync::kEverySecond}) {
    Options options;
    options.sync = sync;
    Running store = Open("data", options);
    ASSERT_NE(store, nullptr);
    store->SetString(0, "key", std::string(1000, 'v'));
    ASSERT_TRUE(store->Save().ok());
    store = nullptr;
    Flip(std::filesystem::file_size(Log()) - 5);
    auto directory = DataDirectory::Open(Path("data"), DataDirectory::Mode::kRepair);
    ASSERT_TRUE(directory.ok()) << directory.status();
    ASSERT_TRUE((*directory)->MarkIncomplete().ok());
    const auto format = (*directory)->ReadFormat();
    ASSERT_TRUE(format.ok());
    EXPECT_FALSE(format->clean);
    EXPECT_FALSE(format->always);
    EXPECT_EQ(format->spaces.size(), 4u);
  }
}

}  // namespace
}  // namespace chorale
