// A journal on a disk that does not do as it should.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>

#include "tests/unit/storage/persistence/fault_env.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {

using Fault = FaultyDisk::Fault;
using Files = FaultyDisk::Files;

inline constexpr int kFields = 300;  // more than a small hash has

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

}  // namespace chorale
