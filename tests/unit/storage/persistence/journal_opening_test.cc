// Which directories a start reads, which it refuses, and what it says.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "storage/persistence/data_directory.h"
#include "tests/unit/storage/persistence/journal_fixture.h"

namespace chorale {
namespace {

// ---- recovery ----

TEST_F(JournalTest, AStartThatIsToldToStopEndsBeforeAllIsReadAndChangesNothing) {
  constexpr int kRows = 20'000;  // looked at now and then
  const std::string queue = QueueKey("layer", "channel");
  for (const bool of_layers : {false, true}) {
    std::filesystem::remove_all(Path("data"));
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    if (of_layers) {
      store->With({queue}, [&](LockedKeys& keys) {
        Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kCreate);
        edit->CountIn(store->layers().Get("layer")->shared_counters());
        for (int i = 0; i < kRows; ++i) edit->Push("message", kNow + 5000, kNow);
      });
    } else {
      store->Change<Hash>(0, "hash", [](Hash& hash) { Fill(hash, kRows / 2); });
      store->WithAll([](LockedKeys& keys) {
        for (int i = 0; i < kRows / 2; ++i) keys.SetString(0, Element(i), "value");
      });
    }
    ASSERT_TRUE(store->Stop().ok());
    store.reset();

    Options options;
    options.stopping = [] { return true; };
    const auto given_up = PersistentStore::Open(Path("data"), options);
    EXPECT_TRUE(absl::IsCancelled(given_up.status())) << given_up.status();

    store = Open("data");
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->recovered().clean);
    EXPECT_EQ(store->recovered().keys + store->recovered().messages,
              static_cast<uint64_t>(of_layers ? kRows : kRows / 2 + 1));
  }
}

TEST_F(JournalTest, RecoveryTellsHowFarItIs) {
  constexpr uint64_t kKeys = 50'000;
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) {
    for (uint64_t i = 0; i < kKeys; ++i) keys.SetInteger(0, std::to_string(i), 1);
  });
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  std::vector<RecoveryProgress> shown;
  Options options;
  options.show_every = absl::ZeroDuration();
  options.show = [&](const RecoveryProgress& progress) { shown.push_back(progress); };
  store = Open("data", options);
  ASSERT_NE(store, nullptr);
  ASSERT_FALSE(shown.empty());
  RecoveryProgress before;
  for (const RecoveryProgress& progress : shown) {
    EXPECT_GE(progress.keys, before.keys);
    EXPECT_GE(progress.rows, progress.keys);
    EXPECT_GE(progress.bytes, progress.rows);
    EXPECT_GE(progress.total_rows, kKeys);
    before = progress;
  }
  EXPECT_LE(before.keys, kKeys);
}

// ---- opening ----

class RefusalTest : public JournalTest {
 protected:
  // Version 4711: the field `version` of records::Format.
  static constexpr const char* kFutureFormat = "\x08\xe7\x24";

  // Makes one family and drops another, where it has a name.
  void ChangeFamilies(const std::string& make, const std::string& drop) {
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : Families()) families.push_back({name, {}});
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, Path("data"), families, &handles, &db).ok());
    const std::unique_ptr<rocksdb::DB> owned(db);
    if (!make.empty()) {
      handles.push_back(nullptr);
      ASSERT_TRUE(db->CreateColumnFamily({}, make, &handles.back()).ok());
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == drop) {
        ASSERT_TRUE(db->DropColumnFamily(handle).ok());
      }
      db->DestroyColumnFamilyHandle(handle);
    }
  }
  [[nodiscard]] std::vector<std::string> Families() const {
    std::vector<std::string> names;
    EXPECT_TRUE(rocksdb::DB::ListColumnFamilies({}, Path("data"), &names).ok());
    return names;
  }
  // Makes the directory one that ends in this row "format".
  void PutFormat(const std::string& content) {
    PutRow("data", Family::kDefault, "format", content);
  }
  void MakeData() {
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    FillAll(*store, 3, "");
    ASSERT_TRUE(store->Stop().ok());
  }
};

TEST_F(RefusalTest, AnotherFormatIsRefusedAndBothAreNamed) {
  PutFormat(kFutureFormat);
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal.find(Path("data")), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("format 4711"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(fmt::format("format {}", DataDirectory::kFormatVersion)),
            std::string::npos)
      << refusal;
}

// RocksDB would say that the families are not those that were asked for, or make those that are
// missing.
TEST_F(RefusalTest, AnotherFormatWithOtherFamiliesIsRefusedAndStaysAsItIs) {
  for (const bool more : {true, false}) {
    std::filesystem::remove_all(Path("data"));
    MakeData();
    PutFormat(kFutureFormat);
    ChangeFamilies(more ? "streams" : "", more ? "" : "sets");
    const std::vector<std::string> families = Families();
    for (const auto mode : {DataDirectory::Mode::kReadWrite, DataDirectory::Mode::kReadOnly,
                            DataDirectory::Mode::kRepair}) {
      const auto opened = DataDirectory::Open(Path("data"), mode);
      EXPECT_EQ(std::string(opened.status().message()),
                fmt::format("the data directory {} has format 4711; this broker reads and writes "
                            "format {}",
                            Path("data"), DataDirectory::kFormatVersion));
    }
    EXPECT_EQ(Families(), families);
  }
}

TEST_F(RefusalTest, AFamilyThatDoesNotBelongToTheFormatIsNamed) {
  MakeData();
  ChangeFamilies("streams", "");
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal.find("streams"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(Path("data")), std::string::npos) << refusal;
}

TEST_F(RefusalTest, AFirstStartThatWasCutShortIsBegunAgain) {
  ASSERT_TRUE(DataDirectory::Open(Path("data"), DataDirectory::Mode::kReadWrite).ok());
  ChangeFamilies("", "mailboxes");
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->contents().empty());
}

TEST_F(RefusalTest, ADirectoryWhoseImportDidNotComeToItsEndIsRefused) {
  Options importing;
  importing.importing = true;
  Running store = Open("data", importing);
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) { keys.Flush(0); });
  FillAll(*store, 0, "");
  ASSERT_TRUE(store->Save().ok());
  store.reset();
  for (const auto mode : {DataDirectory::Mode::kReadWrite, DataDirectory::Mode::kReadOnly,
                          DataDirectory::Mode::kRepair}) {
    const auto opened = DataDirectory::Open(Path("data"), mode);
    EXPECT_NE(opened.status().message().find("a part of a dump"), std::string::npos);
    EXPECT_NE(opened.status().message().find(Path("data")), std::string::npos);
  }

  store = Open("other", importing);
  ASSERT_NE(store, nullptr);
  FillAll(*store, 0, "");
  Restart(std::move(store), "other");
}

TEST_F(RefusalTest, AFormatThatCannotBeReadIsRefused) {
  PutFormat("\xff\xff\xff");
  EXPECT_NE(Refusal("data"), "");
}

TEST_F(RefusalTest, TooFewDatabasesAreRefused) {
  MakeData();
  Options few;
  few.databases = 3;
  const std::string refusal = Refusal("data", few);
  EXPECT_NE(refusal.find("database 3"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("databases is 3"), std::string::npos) << refusal;
  // Nothing has happened to it.
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->contents().size(), NamesOfAll("").size());
}

TEST_F(RefusalTest, FewerDatabasesWillDoIfTheOthersAreEmptyAndMoreWillDo) {
  MakeData();
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  store->WithAll([](LockedKeys& keys) { keys.Swap(0, 3); });
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  for (const int databases : {2, 16, 1, 4}) {
    Options options;
    options.databases = databases;
    store = Open("data", options);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->contents().size(), NamesOfAll("").size());
    if (databases == 16) {
      store->SetString(15, "key", "1");
      ASSERT_TRUE(store->Save().ok());
      store->Delete(15, "key");
    }
    ASSERT_TRUE(store->Stop().ok());
    store.reset();
  }
}

TEST_F(RefusalTest, ASecondOpenerIsRefused) {
  const Running store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(Refusal("data"),
            fmt::format("the data directory {} is in use by another process", Path("data")));
  store->SetString(0, "key", "1");
  EXPECT_TRUE(store->Save().ok()) << "the first one goes on";
}

TEST_F(RefusalTest, ADirectoryThatAnotherProcessHasOpenIsRefused) {
  MakeData();
  int locked[2], done[2];
  ASSERT_EQ(::pipe(locked), 0);
  ASSERT_EQ(::pipe(done), 0);
  const std::string path = Path("data/LOCK");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  char byte = 0;
  if (child == 0) {
    // As RocksDB does it; nothing here needs a lock that another thread of the parent has.
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    const int file = ::open(path.c_str(), O_RDWR);
    byte = ::fcntl(file, F_SETLK, &whole) == 0 ? 1 : 0;
    const bool told = ::write(locked[1], &byte, 1) == 1;
    ::close(done[1]);
    ::_exit(told && ::read(done[0], &byte, 1) >= 0 ? 0 : 1);
  }
  EXPECT_EQ(::read(locked[0], &byte, 1), 1);
  EXPECT_EQ(byte, 1);
  EXPECT_EQ(Refusal("data"),
            fmt::format("the data directory {} is in use by another process", Path("data")));
  for (const int end : {done[1], done[0], locked[0], locked[1]}) ::close(end);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_NE(Open("data"), nullptr);
}

TEST_F(RefusalTest, ADirectoryThatCannotBeReadIsNotTakenForOneInUse) {
  // RocksDB's message names files, and "clock" has a lock in it.
  std::filesystem::create_directory(Path("clock"));
  std::ofstream(Path("clock/CURRENT")) << "MANIFEST-000004\n";
  const std::string refusal = Refusal("clock");
  EXPECT_NE(refusal, "");
  EXPECT_EQ(refusal.find("in use"), std::string::npos) << refusal;
  EXPECT_EQ(refusal.find('\n'), std::string::npos) << refusal;
}

TEST_F(RefusalTest, AFileInThePlaceOfTheDirectoryIsRefused) {
  std::ofstream(Path("data")) << "a file";
  const std::string refusal = Refusal("data");
  EXPECT_NE(refusal.find(Path("data")), std::string::npos) << refusal;
  EXPECT_EQ(refusal.find("in use"), std::string::npos) << refusal;
}

TEST_F(RefusalTest, DamagedRowsAreRefused) {
  const uint32_t space = 0;
  std::string key, parts;
  NameKeyRow(space, "damaged", &key);
  const auto refuses = [&](Family family, const std::string& name, const std::string& content) {
    std::filesystem::remove_all(Path("data"));
    MakeData();
    PutRow("data", family, name, content);
    const std::string refusal = Refusal("data");
    EXPECT_NE(refusal.find("damaged"), std::string::npos)
        << refusal << kFamilyNames[static_cast<size_t>(family)] << " " << name.size();
  };
  std::string content;
  refuses(Family::kKeys, key, "");
  refuses(Family::kKeys, key, "\x05 of no type");
  // Fewer elements than it says.
  AppendKeyHeader({ValueType::kSet, {}, {}, {}}, &content);
  AppendVarint(&content, std::numeric_limits<uint64_t>::max());
  refuses(Family::kKeys, key, content);
  // A large value without its parts.
  content.clear();
  AppendKeyHeader({ValueType::kHash, {}, PartsId{space, 1'000'000}, {}}, &content);
  refuses(Family::kKeys, key, content);
  refuses(Family::kLayers, "", "");
  refuses(Family::kLayers, "player", "no policy");
  refuses(Family::kChannels, "", "");
  refuses(Family::kMailboxes, "", "");
  refuses(Family::kMailboxes, MailboxPrefix("layer", "box!") + "m", "");
}

}  // namespace
}  // namespace chorale
