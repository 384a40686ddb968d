#include <vector>

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

}  // namespace
}  // namespace chorale
