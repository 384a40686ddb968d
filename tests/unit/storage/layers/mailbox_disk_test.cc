#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/layers/unsaved_layers.h"
#include "tests/unit/storage/layers/mailbox_fixture.h"

namespace chorale {
namespace {

class RecordingSaver final : public MailboxSaver {
 public:
  void PutState(const MailboxState& state) override { states.push_back(state); }
  void PutMember(std::string_view, int64_t) override {}
  void EraseMember(std::string_view) override {}
  void PutEvent(const MailboxEvent& event) override { events.push_back(event.number); }
  void EraseEvents(uint64_t begin, uint64_t end) override {
    std::erase_if(events, [&](uint64_t number) { return number >= begin && number < end; });
  }
  void EraseAll() override { events.clear(); }

  std::vector<MailboxState> states;
  std::vector<uint64_t> events;  // of which there are rows
};

using MailboxDiskTest = MailboxFixture;

// A complete round writes what a usual one would hold back, which it must not forget then: the
// numbers would be given again after a restart.
TEST_F(MailboxDiskTest, TheStateKnowsOfEveryEventThatIsOnDisk) {
  RecordingSaver saver;
  const Owner owner = Open();
  for (const char* text : {"1", "2", "3"}) Send("p.one!a", text);
  EXPECT_EQ(Take(owner).size(), 3u);
  mailbox_->Save({{}, true}, saver);
  EXPECT_EQ(saver.events, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(Ack(owner, 1, 1), Mailbox::Acknowledged::kYes);
  Send("p.one!a", "4");
  mailbox_->Save({{now_ms_ - 1, now_ms_}, false}, saver);
  EXPECT_EQ(saver.events, (std::vector<uint64_t>{2, 3})) << "the last is held back";
  ASSERT_EQ(saver.states.size(), 2u);
  EXPECT_EQ(saver.states[1].acknowledged, 1u);
  EXPECT_EQ(saver.states[1].last, 3u);
  mailbox_->Save({{}, false}, saver);
  EXPECT_EQ(saver.events, (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(saver.states.back().last, 4u);
}

// Whoever sees that a mailbox is closed may make its successor, whose rows a later round must not
// take for those of the closed one.
TEST_F(MailboxDiskTest, AMailboxIsNotedBeforeAnybodyCanSeeThatItIsClosed) {
  std::shared_ptr<Mailbox> mailbox;
  std::vector<bool> closed;
  UnsavedLayers unsaved(true, [&] { closed.push_back(mailbox->closed()); });
  const Mailbox::Surroundings surroundings{groups_, counters_, [] { return size_t{1} << 20; },
                                           &unsaved, layer_};
  const std::function<void()> ends[] = {
      [&] { EXPECT_TRUE(mailbox->Close(nullptr)); },
      [&] { EXPECT_TRUE(mailbox->Tidy(1000, now_ms_ + 1001)); },
  };
  for (const auto& end : ends) {
    mailbox = std::make_shared<Mailbox>("p.one!", surroundings, now_ms_);
    RecordingSaver saver;
    mailbox->Send("p.one!a", std::make_shared<const std::string>("m"), policy_, now_ms_);
    const std::vector<std::string_view> channels = {"p.one!a"};
    mailbox->Join("chat", channels, now_ms_ + 5000, now_ms_);
    mailbox->Save({{}, true}, saver);
    closed.clear();
    end();
    ASSERT_FALSE(closed.empty());
    for (const bool seen : closed) EXPECT_FALSE(seen);
    EXPECT_TRUE(mailbox->closed());
    mailbox->Save({{}, true}, saver);
    EXPECT_TRUE(saver.events.empty());
  }
}

// A mailbox that holds five messages for two seconds, of which the owner has had the first two and
// acknowledged the first, and is restored.
class RestoredMessagesTest : public MailboxFixture {
 protected:
  static constexpr int64_t kExpiryMs = 2000;

  void MakeAndRestore(CapacityScope scope) {
    policy_.capacity = 5;
    policy_.expiry_ms = kExpiryMs;
    policy_.scope = scope;
    const Owner owner = Open();
    Join("chat", {"p.one!a", "p.one!b"});
    for (const char* text : {"1", "2", "3", "4"}) Send("p.one!a", text);
    SendToGroup("chat", "5");
    Take(owner, 3);
    epoch_before_ = epoch_;
    EXPECT_EQ(Ack(owner, 2, 1, {{"p.one!a", 0}}), Mailbox::Acknowledged::kYes);
    Leave(owner);
    Restore();
  }
  // As it is on disk once all was written.
  void Restore() {
    mailbox_->Save({{}, true}, rows_);
    mailbox_->Close(nullptr);
    mailbox_ = std::make_shared<Mailbox>("p.one!", surroundings_, now_ms_);
    const Mailbox::RestoredMember members[] = {{"chat", "p.one!a", now_ms_ + 100'000},
                                               {"chat", "p.one!b", now_ms_ + 100'000}};
    mailbox_->Restore(rows_.state, members, rows_.events, true);
  }
  int64_t Unread() { return mailbox_->Unread(now_ms_); }

  uint64_t epoch_before_ = 0;

 private:
  class Rows final : public MailboxSaver {
   public:
    void PutState(const MailboxState& put) override { state = put; }
    void PutMember(std::string_view, int64_t) override {}
    void EraseMember(std::string_view) override {}
    void PutEvent(const MailboxEvent& event) override { events.push_back(event); }
    void EraseEvents(uint64_t begin, uint64_t end) override {
      std::erase_if(events, [&](const MailboxEvent& event) {
        return event.number >= begin && event.number < end;
      });
    }
    void EraseAll() override { events.clear(); }

    MailboxState state;
    std::vector<MailboxEvent> events;
  };
  Rows rows_;
};

TEST_F(RestoredMessagesTest, CountUntilTheyExpireAlsoIfNobodyOpensTheMailbox) {
  MakeAndRestore(CapacityScope::kMailbox);
  EXPECT_EQ(Unread(), 4);
  EXPECT_TRUE(Send("p.one!a", "6"));
  EXPECT_FALSE(Send("p.one!a", "7")) << "full";
  now_ms_ += kExpiryMs - 1;
  EXPECT_EQ(Unread(), 5);
  ++now_ms_;
  EXPECT_TRUE(Send("p.one!a", "8"));
  EXPECT_EQ(Unread(), 1);
  EXPECT_EQ(SendToGroup("chat"), (std::pair<int64_t, int64_t>{2, 0}));
  EXPECT_EQ(Unread(), 2);
  now_ms_ += kExpiryMs;
  EXPECT_EQ(Unread(), 0);
}

TEST_F(RestoredMessagesTest, CountByChannelUntilTheyExpire) {
  MakeAndRestore(CapacityScope::kChannel);
  EXPECT_TRUE(Send("p.one!a", "6"));
  EXPECT_FALSE(Send("p.one!a", "7")) << "full";
  EXPECT_EQ(SendToGroup("chat", "8"), (std::pair<int64_t, int64_t>{1, 1}));
  now_ms_ += kExpiryMs;
  for (const char* text : {"a", "b", "c", "d", "e"}) EXPECT_TRUE(Send("p.one!a", text));
  EXPECT_FALSE(Send("p.one!a", "f"));
  EXPECT_EQ(Unread(), 5);
}

// He has had "2", consumes it now, and is not sent it again.
TEST_F(RestoredMessagesTest, OfWhatHasExpiredTheOwnerConsumesWhatHeHadReceived) {
  MakeAndRestore(CapacityScope::kMailbox);
  now_ms_ += kExpiryMs;
  EXPECT_EQ(Unread(), 0);
  const Owner owner = Open(Mailbox::Resume{epoch_before_, 3});
  EXPECT_EQ(opened_.epoch, epoch_before_);
  EXPECT_EQ(Unread(), 1);
  EXPECT_TRUE(Take(owner).empty());
  EXPECT_EQ(Ack(owner, 3, 3), Mailbox::Acknowledged::kNeverSent);
  EXPECT_EQ(Ack(owner, 3, 2), Mailbox::Acknowledged::kYes);
  EXPECT_EQ(Unread(), 0);
}

TEST_F(RestoredMessagesTest, AnOwnerWhoBeginsAnewIsSentNoneThatHasExpired) {
  MakeAndRestore(CapacityScope::kMailbox);
  now_ms_ += kExpiryMs - 1;
  EXPECT_TRUE(Send("p.one!a", "new"));
  ++now_ms_;
  EXPECT_EQ(Unread(), 1);
  const Owner owner = Open();
  EXPECT_NE(opened_.epoch, epoch_before_);
  EXPECT_EQ(Unread(), 1);
  EXPECT_EQ(Take(owner), (Strings{"join chat p.one!a p.one!b", "message p.one!a=new"}));
  EXPECT_EQ(Ack(owner, 2, 1), Mailbox::Acknowledged::kYes);
  EXPECT_EQ(Unread(), 0);
}

// The rows of what has expired are still there when it is restored once more.
TEST_F(RestoredMessagesTest, ExpireAlsoAfterASecondRestart) {
  MakeAndRestore(CapacityScope::kMailbox);
  now_ms_ += kExpiryMs;
  EXPECT_TRUE(Send("p.one!a", "6"));
  EXPECT_EQ(Unread(), 1);
  Restore();
  EXPECT_EQ(Unread(), 1);
  mailbox_->Flush();
  EXPECT_EQ(Unread(), 0);
}

}  // namespace
}  // namespace chorale
