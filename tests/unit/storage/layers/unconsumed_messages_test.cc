#include "storage/layers/unconsumed_messages.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "storage/layers/mailbox.h"
#include "storage/layers/past_members.h"
#include "storage/layers/pending_messages.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;
using Names = std::vector<std::string>;

// The group "chat" has the members a and b.
class UnconsumedMessagesTest : public testing::Test {
 protected:
  UnconsumedMessagesTest() {
    groups_["chat"].Join("a", 1);
    groups_["chat"].Join("b", 1);
    messages_.set_scope(CapacityScope::kChannel);
  }

  MailboxEvent To(const std::string& channel) { return {Kind::kMessage, 0, channel, {}, {}, 0}; }
  MailboxEvent ToAllBut(const Names& full) { return {Kind::kGroupMessage, 0, "chat", {}, full, 0}; }
  void Add(const MailboxEvent& message) { messages_.Add(message, PastMembers(groups_)); }
  void Drop(const MailboxEvent& message) { messages_.Drop(message, PastMembers(groups_)); }
  void Show(int messages) {
    for (int i = 0; i < messages; ++i) messages_.Show();
  }
  // So many still wait for the channel, and these are under way.
  void Correct(std::string_view channel, int64_t waiting,
               const std::vector<MailboxEvent>& under_way = {}) {
    const std::vector<std::string_view> names{channel};
    PendingMessages pending(groups_, names);
    for (const MailboxEvent& event : under_way) pending.Undo(event);
    pending.Finish();
    const std::vector<UnconsumedMessages::Waiting> corrections{{channel, waiting}};
    messages_.Correct(corrections, pending);
  }

  StringMap<Members> groups_;
  UnconsumedMessages messages_;
};

TEST_F(UnconsumedMessagesTest, AGroupsMessageCountsOnceAndForEachWhoGetsIt) {
  Add(To("a"));
  Add(ToAllBut({}));
  Add(ToAllBut({"a"}));
  EXPECT_EQ(messages_.total(), 3);
  EXPECT_EQ(messages_.For("a"), 2);
  EXPECT_EQ(messages_.For("b"), 2);
  EXPECT_EQ(messages_.For("stranger"), 0);
  Drop(ToAllBut({"a"}));
  EXPECT_EQ(messages_.total(), 2);
  EXPECT_EQ(messages_.For("b"), 1);
}

TEST_F(UnconsumedMessagesTest, InTheMailboxScopeNoChannelIsCounted) {
  messages_.set_scope(CapacityScope::kMailbox);
  Add(To("a"));
  EXPECT_EQ(messages_.total(), 1);
  EXPECT_EQ(messages_.For("a"), 0);
  EXPECT_FALSE(messages_.counts_channels());
}

TEST_F(UnconsumedMessagesTest, WhatIsConsumedIsToldInAllAndCountsOnce) {
  for (int i = 0; i < 5; ++i) Add(To("a"));
  Show(4);
  EXPECT_EQ(messages_.Consume(3), 3u);
  EXPECT_EQ(messages_.Consume(3), 0u);
  EXPECT_EQ(messages_.Consume(1), 0u);
  EXPECT_EQ(messages_.total(), 2);
  EXPECT_EQ(messages_.consumed(), 3u);
  messages_.Unshow(1);
  EXPECT_EQ(messages_.shown(), 3u);
}

TEST_F(UnconsumedMessagesTest, AChannelHasWhatWaitsForItAndWhatIsUnderWay) {
  for (int i = 0; i < 5; ++i) Add(To("a"));
  Correct("a", 1, {To("a"), To("b")});
  EXPECT_EQ(messages_.For("a"), 2);
  Correct("a", std::numeric_limits<int64_t>::max(), {To("a")});
  EXPECT_EQ(messages_.For("a"), 2) << "never more than before";
  Correct("a", 0);
  EXPECT_EQ(messages_.For("a"), 0);
  EXPECT_FALSE(messages_.counts_channels());
}

TEST_F(UnconsumedMessagesTest, WhenAllIsConsumedNoChannelIsLeft) {
  Add(To("gone without a word"));
  Show(1);
  EXPECT_EQ(messages_.Consume(1), 1u);
  EXPECT_FALSE(messages_.counts_channels());
  Add(To("a"));
  Drop(To("a"));
  EXPECT_FALSE(messages_.counts_channels());
}

TEST_F(UnconsumedMessagesTest, AnEpochThatIsOverGoesOnToCountAndTakesWhatALaterOneDropped) {
  Add(To("a"));
  Show(1);
  UnconsumedMessages over = messages_;
  messages_.Clear();
  EXPECT_EQ(messages_.shown(), 0u);
  Add(ToAllBut({}));
  over.Take(messages_);
  EXPECT_EQ(over.total(), 2);
  EXPECT_EQ(over.For("a"), 2);
  EXPECT_EQ(over.For("b"), 1);
  EXPECT_EQ(over.shown(), 1u);
  over.DropAll();
  EXPECT_EQ(over.total(), 0);
  EXPECT_EQ(over.For("a"), 0);
  EXPECT_EQ(over.Consume(1), 1u) << "the owner may still tell of it";
  EXPECT_EQ(over.total(), 0);
}

}  // namespace
}  // namespace chorale
