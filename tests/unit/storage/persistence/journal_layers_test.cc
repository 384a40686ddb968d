// What a restart makes of mailboxes and of groups, where the end-to-end tests cannot say what was
// on disk when the broker ended.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/layers/unsaved_layers.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

class RestoredMailboxTest : public PersistenceFixture {
 protected:
  class Owner final : public MailboxOwner {
   public:
    void Wake() override {}
    void BeTaken(uint64_t) override {}
  };

  static std::shared_ptr<Mailbox> Box(PersistentStore& store) {
    return store.layers().Get("layer")->MailboxFor("box!", kNow);
  }
  static void Send(PersistentStore& store, std::string_view text) {
    EXPECT_EQ(
        Box(store)->Send("box!a", std::make_shared<const std::string>(text), LayerPolicy(), kNow),
        Mailbox::Sent::kYes);
  }
  // The epoch that the owner gets; he is shown these messages then.
  uint64_t OpenBox(PersistentStore& store, std::optional<Mailbox::Resume> resume,
                   std::vector<std::string>* shown = nullptr) {
    auto owner = std::make_shared<Owner>();
    const auto opened = Box(store)->Open(owner, resume, std::nullopt, kNow);
    EXPECT_TRUE(opened.has_value());
    Box(store)->Take(owner.get(), {1000}, kNow, [&](uint64_t, const MailboxEvent& event) {
      if (shown != nullptr && event.message != nullptr) shown->push_back(*event.message);
    });
    Box(store)->Leave(owner.get(), kNow);
    return opened ? opened->epoch : 0;
  }
  // As after a crash of the broker.
  Running Crash(Running store, Journal::Sync sync = Journal::Sync::kEverySecond) {
    store.reset();
    Options options;
    options.sync = sync;
    return Open("data", options);
  }
};

TEST_F(RestoredMailboxTest, AfterACrashItsOwnerGetsANewEpochAlsoAfterMoreRestarts) {
  enum class Second : uint8_t { kStops, kSaves, kCrashesAtOnce };
  for (const Second second_life : {Second::kStops, Second::kSaves, Second::kCrashesAtOnce}) {
    SCOPED_TRACE(static_cast<int>(second_life));
    std::filesystem::remove_all(Path("data"));
    Running store = Open("data");
    ASSERT_NE(store, nullptr);
    const uint64_t epoch = OpenBox(*store, std::nullopt);
    Send(*store, "1");
    ASSERT_TRUE(store->Save().ok());
    store = Crash(std::move(store), Journal::Sync::kAlways);
    ASSERT_NE(store, nullptr);
    // Nobody opens it in this life, which ends in order, or with everything on disk, or before its
    // first round.
    if (second_life == Second::kStops) {
      ASSERT_TRUE(store->Stop().ok());
    } else if (second_life == Second::kSaves) {
      ASSERT_TRUE(store->Save().ok());
    } else {
      std::filesystem::copy(Path("data"), Path("crashed"));
      store.reset();
      std::filesystem::remove_all(Path("data"));
      std::filesystem::rename(Path("crashed"), Path("data"));
    }
    store = Crash(std::move(store), Journal::Sync::kAlways);
    ASSERT_NE(store, nullptr);
    std::vector<std::string> shown;
    const uint64_t second = OpenBox(*store, Mailbox::Resume{epoch, 0}, &shown);
    EXPECT_NE(second, epoch);
    EXPECT_EQ(shown, std::vector<std::string>{"1"});

    // Who has opened it since resumes.
    ASSERT_TRUE(store->Save().ok());
    store = Crash(std::move(store), Journal::Sync::kAlways);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(OpenBox(*store, Mailbox::Resume{second, 1}), second);
  }
}

TEST_F(RestoredMailboxTest, WhatComesAfterACrashIsShownToAnOwnerWhoHadReceivedMoreBefore) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  const uint64_t epoch = OpenBox(*store, std::nullopt);
  Send(*store, "on disk");
  ASSERT_TRUE(store->Save().ok());
  store = Crash(std::move(store));
  ASSERT_NE(store, nullptr);
  Send(*store, "after the restart");
  // He has had five events of that epoch, of which the disk has one.
  std::vector<std::string> shown;
  EXPECT_NE(OpenBox(*store, Mailbox::Resume{epoch, 5}, &shown), epoch);
  EXPECT_EQ(shown, std::vector<std::string>{"after the restart"});
}

// A round takes the names of what has changed, and then looks each of them up. A channel that joins
// in between gets its row from this round, and is to be erased by the next if it leaves again.
TEST(UnsavedLayersTest, AMemberThatComesAndGoesIsNotedAllTheSame) {
  UnsavedLayers unsaved(false, [] {});
  unsaved.NoteMember("layer", "chat", "channel");
  EXPECT_EQ(unsaved.Take().members.size(), 1u);
  unsaved.NoteMember("layer", "chat", "channel");  // it joins
  unsaved.NoteMember("layer", "chat", "channel");  // and leaves
  const auto members = unsaved.Take().members;
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].layer, "layer");
  EXPECT_EQ(members[0].group, "chat");
  EXPECT_EQ(members[0].channel, "channel");
  EXPECT_TRUE(unsaved.Take().members.empty());
}

TEST(HoldBackTest, HoldsWhatWasSentInItsTimeAndNothingFromTheFuture) {
  constexpr HoldBack kLast{1000, 1150};
  EXPECT_FALSE(kLast.Has(0));
  EXPECT_FALSE(kLast.Has(1000));
  EXPECT_TRUE(kLast.Has(1001));
  EXPECT_TRUE(kLast.Has(1150));
  EXPECT_FALSE(kLast.Has(1151)) << "the clock has been put back";
  EXPECT_FALSE(HoldBack().Has(1));
}

}  // namespace
}  // namespace chorale
