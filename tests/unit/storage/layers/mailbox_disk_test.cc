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

}  // namespace
}  // namespace chorale
