#include "storage/persistence/layer_rows.h"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/layers/layer.h"
#include "storage/layers/names.h"
#include "storage/persistence/layer_records.h"

namespace chorale {
namespace {

constexpr int64_t kLater = 1'000'000'000'000;

// What the rows hold, a line for each.
class Recorder final : public LayerRowsSink {
 public:
  void TakePolicy(std::string_view layer, LayerPolicy policy) override {
    told.push_back(fmt::format("policy of {}: {}", layer, policy.capacity));
  }
  void TakeMember(const LayerRowName& member, int64_t) override {
    told.push_back(fmt::format("{} in {} of {}", member.channel, member.group, member.layer));
  }
  void TakeQueue(std::string_view key, std::unique_ptr<ChannelQueue> queue) override {
    told.push_back(fmt::format("{} of {}: {} messages from {}", ChannelOfQueue(key),
                               LayerOfQueue(key), queue->size(), queue->disk_begin()));
  }
  void TakeMailbox(StoredMailbox mailbox) override {
    std::string line = fmt::format("{} of {}: last {}, {} members,", mailbox.name, mailbox.layer,
                                   mailbox.state.last, mailbox.members.size());
    for (const MailboxEvent& event : mailbox.events) line += fmt::format(" {}", event.number);
    told.push_back(line);
  }

  std::vector<std::string> told;
};

class LayerRowsTest : public testing::Test {
 protected:
  // Rows in their order, of one family, as a directory would give them.
  using Rows = std::map<std::string, std::string>;
  // Whether they make sense; what they hold is in recorder_.told.
  bool Read(Family family, const Rows& rows) {
    recorder_.told.clear();
    LayerRows reader(recorder_);
    for (const auto& [name, content] : rows) {
      if (!reader.Read(family, name, content)) return false;
    }
    return reader.Finish();
  }

  static std::pair<std::string, std::string> Message(const std::string& queue, uint64_t number) {
    std::pair<std::string, std::string> row;
    NameMessageRow(queue, number, &row.first);
    EncodeMessage("message", kLater, &row.second);
    return row;
  }
  static std::pair<std::string, std::string> Event(const std::string& prefix, uint64_t number) {
    std::pair<std::string, std::string> row{prefix + "e", ""};
    AppendBig64(&row.first, number);
    EncodeEvent({MailboxEvent::Kind::kMessage,
                 number,
                 "box!a",
                 std::make_shared<const std::string>("text"),
                 {},
                 kLater,
                 0},
                &row.second);
    return row;
  }
  static std::pair<std::string, std::string> State(const std::string& prefix, uint64_t acknowledged,
                                                   uint64_t last) {
    std::pair<std::string, std::string> row{prefix + "s", ""};
    MailboxState state;
    state.epoch = 1;
    state.acknowledged = acknowledged;
    state.last = last;
    EncodeMailbox(state, &row.second);
    return row;
  }
  static std::string Expiry() {
    std::string content;
    AppendLittle64(&content, kLater);
    return content;
  }

  const std::string queue_ = QueueKey("layer", "channel");
  const std::string box_ = MailboxPrefix("layer", "box!");
  Recorder recorder_;
};

TEST_F(LayerRowsTest, WhatBelongsTogetherIsPutTogether) {
  EXPECT_TRUE(Read(Family::kChannels, {Message(queue_, 7), Message(queue_, 8),
                                       Message(QueueKey("layer", "other"), 1)}));
  EXPECT_EQ(recorder_.told, (std::vector<std::string>{"channel of layer: 2 messages from 7",
                                                      "other of layer: 1 messages from 1"}));
  const std::string second = MailboxPrefix("layer", "second!");
  EXPECT_TRUE(Read(Family::kMailboxes, {Event(box_, 3),
                                        Event(box_, 5),
                                        {box_ + "mchat" + '\0' + "box!a", Expiry()},
                                        State(box_, 2, 5),
                                        State(second, 0, 0)}));
  EXPECT_EQ(recorder_.told, (std::vector<std::string>{"box! of layer: last 5, 1 members, 3 5",
                                                      "second! of layer: last 0, 0 members,"}));
  LayerPolicy nine;
  nine.capacity = 9;
  std::string policy;
  EncodePolicy(nine, &policy);
  EXPECT_TRUE(Read(Family::kLayers, {{PolicyRow("layer"), policy},
                                     {GroupMemberRow("layer", "chat", "channel"), Expiry()}}));
  EXPECT_EQ(recorder_.told,
            (std::vector<std::string>{"channel in chat of layer", "policy of layer: 9"}));
}

TEST_F(LayerRowsTest, AMessageThatIsMissingInAQueueIsDamage) {
  EXPECT_FALSE(Read(Family::kChannels, {Message(queue_, 7), Message(queue_, 9)}));
  EXPECT_TRUE(Read(Family::kChannels, {Message(queue_, 9)})) << "those before it were received";
}

TEST_F(LayerRowsTest, AMailboxWithoutItsStateIsDamage) {
  EXPECT_FALSE(Read(Family::kMailboxes, {Event(box_, 1)}));
  const std::string after = MailboxPrefix("layer", "second!");
  EXPECT_FALSE(Read(Family::kMailboxes, {Event(box_, 1), State(after, 0, 0)}));
}

TEST_F(LayerRowsTest, AnEventThatWasAcknowledgedIsDamage) {
  EXPECT_FALSE(Read(Family::kMailboxes, {Event(box_, 2), State(box_, 2, 5)}));
  EXPECT_FALSE(Read(Family::kMailboxes, {State(box_, 6, 5)}));
  EXPECT_TRUE(Read(Family::kMailboxes, {Event(box_, 3), State(box_, 2, 5)}));
}

TEST_F(LayerRowsTest, AnEventBehindTheLastOneOfTheStateIsDamage) {
  EXPECT_FALSE(Read(Family::kMailboxes, {Event(box_, 3), Event(box_, 7), State(box_, 2, 4)}));
}

TEST_F(LayerRowsTest, NamesThatNobodyWritesAreDamage) {
  const auto [message, message_content] = Message(queue_, 1);
  const auto [event, event_content] = Event(box_, 1);
  const auto [state, state_content] = State(box_, 0, 0);
  const auto refused = [&](Family family, std::string name, const std::string& content) {
    LayerRows reader(recorder_);
    EXPECT_FALSE(reader.Read(family, name, content) && reader.Finish()) << name;
  };
  const std::string long_layer(kLongestLayerName + 1, 'l');
  refused(Family::kLayers, "", "");
  refused(Family::kLayers, "p", "");
  refused(Family::kLayers, "p" + long_layer, "");
  refused(Family::kLayers, "xlayer", "");
  refused(Family::kLayers, "mlayer", Expiry());
  refused(Family::kLayers, GroupMemberRow("layer", "", "channel"), Expiry());
  refused(Family::kLayers, GroupMemberRow("layer", "chat", ""), Expiry());
  refused(Family::kLayers, GroupMemberRow("layer", "chat", "channel"), Expiry() + "x");
  refused(Family::kLayers, GroupMemberRow("layer", "chat", "channel"), "");
  refused(Family::kChannels, message.substr(1 + std::string("layer").size()), message_content);
  refused(Family::kChannels, message + "x", message_content);
  refused(Family::kChannels, message.substr(0, message.size() - 1), message_content);
  refused(Family::kChannels, message, "no message");
  refused(Family::kMailboxes, MailboxPrefix("layer", "") + "s", state_content);
  refused(Family::kMailboxes, MailboxPrefix("layer", "box") + "s", state_content);
  refused(Family::kMailboxes, MailboxPrefix("", "box!") + "s", state_content);
  refused(Family::kMailboxes, box_, state_content);
  refused(Family::kMailboxes, box_ + "sx", state_content);
  refused(Family::kMailboxes, box_ + "x", state_content);
  refused(Family::kMailboxes, event + "x", event_content);
  refused(Family::kKeys, "", "");
}

TEST_F(LayerRowsTest, MoreLayersThanABrokerHasAreDamage) {
  Rows rows;
  for (size_t i = 0; i < LayerRegistry::kMost; ++i) {
    rows[GroupMemberRow(std::to_string(i), "chat", "channel")] = Expiry();
  }
  EXPECT_TRUE(Read(Family::kLayers, rows));
  rows[GroupMemberRow("one more", "chat", "channel")] = Expiry();
  EXPECT_FALSE(Read(Family::kLayers, rows));
}

}  // namespace
}  // namespace chorale
