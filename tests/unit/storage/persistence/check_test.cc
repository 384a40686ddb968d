// What --check says of a directory, and that it and the start of a broker refuse the same.

#include "storage/persistence/check.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"
#include "storage/persistence/layer_records.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

class SilentOwner final : public MailboxOwner {
 public:
  void Wake() override {}
  void BeTaken(uint64_t) override {}
};

class CheckTest : public PersistenceFixture {
 protected:
  // With a key and two messages of a channel.
  void MakeData() {
    std::filesystem::remove_all(Path("data"));
    const Running store = Open("data");
    ASSERT_NE(store, nullptr);
    store->SetString(0, "key", "value");
    Send(*store, "channel", 2);
    ASSERT_TRUE(store->Stop().ok());
  }
  static void Send(PersistentStore& store, const std::string& channel, int count) {
    const std::string queue = QueueKey("layer", channel);
    store.With({queue}, [&](LockedKeys& keys) {
      Edit<ChannelQueue> edit(keys, keys.store().layers_db(), queue, IfAbsent::kCreate);
      edit->CountIn(store.layers().Get("layer")->shared_counters());
      for (int i = 0; i < count; ++i) edit->Push("message", kNow + 5000, kNow);
    });
  }
  // A directory with this row beside others is refused in one line, by both.
  void ExpectRefused(Family family, const std::string& name, const std::string& content,
                     const char* what) {
    MakeData();
    ASSERT_TRUE(Check("data").ok());
    PutRow("data", family, name, content);
    const auto checked = Check("data");
    EXPECT_FALSE(checked.ok()) << what;
    const std::string refusal = Refusal("data");
    EXPECT_NE(refusal.find("is damaged"), std::string::npos) << what << ": " << refusal;
    EXPECT_EQ(refusal, checked.status().message()) << what;
    EXPECT_EQ(refusal.find('\n'), std::string::npos);
  }
};

TEST_F(CheckTest, RowsThatMakeNoSenseAreRefusedByCheckAndStartInTheSameWords) {
  std::string content, name;
  const std::string box = MailboxPrefix("layer", "box!");
  const auto event = [&](uint64_t number) {
    std::string row = box + "e";
    AppendBig64(&row, number);
    return row;
  };
  EncodeEvent({MailboxEvent::Kind::kJoin, 1, "chat", nullptr, {"box!a"}, 0, 0}, &content);
  ExpectRefused(Family::kMailboxes, event(1), content, "a mailbox without its state");
  EncodeMailbox({}, &content);
  ExpectRefused(Family::kMailboxes, MailboxPrefix("layer", "") + "s", content, "no mailbox's name");
  ExpectRefused(Family::kMailboxes, box + "state", content, "more behind the name of a state");

  EncodeMessage("message", kNow, &content);
  NameMessageRow(QueueKey("layer", "channel"), 3, &name);
  ExpectRefused(Family::kChannels, name, content, "a message behind one that is missing");
  NameMessageRow(QueueKey("", "channel"), 3, &name);
  ExpectRefused(Family::kChannels, name, content, "a channel without a layer");
  NameMessageRow("layer", 3, &name);
  ExpectRefused(Family::kChannels, name, content, "a layer without a channel");

  std::string expiry;
  AppendLittle64(&expiry, kNow);
  ExpectRefused(Family::kLayers, GroupMemberRow("layer", "chat", ""), expiry, "nobody in a group");
  ExpectRefused(Family::kLayers, "p", "", "a policy of no layer");

  NameKeyRow(0, "key", &name);
  content.clear();
  AppendKeyHeader({ValueType::kSortedSet, {}, {}, {}}, &content);
  AppendVarint(&content, 1);
  AppendElement(&content, "member");
  AppendScore(&content, std::numeric_limits<double>::quiet_NaN());
  ExpectRefused(Family::kKeys, name, content, "a score that is no number");
  content.clear();
  AppendKeyHeader({ValueType::kSet, {}, {}, {}}, &content);
  AppendVarint(&content, 0);
  ExpectRefused(Family::kKeys, name, content, "a set of nothing");
}

TEST_F(CheckTest, KeysThatNobodyWouldLookForAreRefused) {
  std::string name, content;
  AppendKeyHeader({ValueType::kString, {}, {}, "value"}, &content);
  const auto refused = [&] {
    MakeData();
    PutRow("data", Family::kKeys, name, content);
    EXPECT_FALSE(Check("data").ok());
    EXPECT_NE(Refusal("data").find("is damaged"), std::string::npos);
  };
  NameKeyRow(4711, "key", &name);
  refused();  // of no database
  NameKeyRow(0, "key", &name);
  ++name[kKeyRowPrefix - 1];
  refused();  // in another partition
  name[kKeyRowPrefix - 1] = static_cast<char>(kPartitions);
  refused();
  name = "key";
  refused();
}

TEST_F(CheckTest, PartsThatMakeNoSenseAreRefused) {
  const auto refused = [&](ValueType type, PartsId id, const std::string& part,
                           const std::string& content, const char* what) {
    MakeData();
    std::string name, key;
    NameKeyRow(0, "large", &name);
    AppendKeyHeader({type, {}, PartsId{0, 1'000'000}, {}}, &key);
    PutRow("data", Family::kKeys, name, key);
    NamePartRow(id, part, &name);
    PutRow("data", FamilyOfParts(type), name, content);
    EXPECT_FALSE(Check("data").ok()) << what;
    EXPECT_NE(Refusal("data").find("is damaged"), std::string::npos) << what;
  };
  std::string block;
  AppendVarint(&block, 1);
  AppendElement(&block, "element");
  refused(ValueType::kList, {0, 1'000'000}, "order", block, "a block without a number");
  refused(ValueType::kList, {0, 1'000'000}, std::string(4, '\0'), "", "a block without elements");
  refused(ValueType::kSet, {0, 1'000'000}, "member", "content", "a member with a content");
  refused(ValueType::kSortedSet, {0, 1'000'000}, "member", "score", "a score of five bytes");
  refused(ValueType::kSet, {7, 1'000'000}, "member", "", "parts in another space");
}

TEST_F(CheckTest, MembershipsAreNotCountedAsMessages) {
  Running store = Open("data");
  ASSERT_NE(store, nullptr);
  Send(*store, "channel", 3);
  const auto mailbox = store->layers().Get("layer")->MailboxFor("box!", kNow);
  const std::vector<std::string_view> channels = {"box!a", "box!b"};
  mailbox->Join("chat", channels, kNow + 5000, kNow);
  mailbox->Join("other", channels, kNow + 5000, kNow);
  const auto message = std::make_shared<const std::string>("text");
  EXPECT_EQ(mailbox->Send("box!a", message, {}, kNow), Mailbox::Sent::kYes);
  mailbox->SendToGroup("chat", message, {}, kNow);
  ASSERT_TRUE(store->Stop().ok());
  store.reset();
  const auto summary = Check("data");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->messages, 5u);
  EXPECT_EQ(summary->channels, 1u);
  EXPECT_EQ(summary->mailboxes, 1u);
  EXPECT_EQ(summary->memberships, 4u);
  store = Open("data");
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->recovered().messages, summary->messages);
}

// A complete round writes messages that a later one would hold back, and whose acknowledgements
// come meanwhile: its state knows of fewer events than there are.
TEST_F(CheckTest, AnOwnerGetsNothingTwiceAlsoIfARoundHeldBackWhatWasWrittenBefore) {
  // Until then everything is held back.
  const int64_t sent_at_ms = absl::ToUnixMillis(absl::Now()) + 3'600'000;
  Options options;
  options.now_ms = sent_at_ms;
  Running store = Open("data", options);
  ASSERT_NE(store, nullptr);
  uint64_t epoch = 0;
  {
    const auto mailbox = store->layers().Get("layer")->MailboxFor("box!", sent_at_ms);
    const auto owner = std::make_shared<SilentOwner>();
    epoch = mailbox->Open(owner, std::nullopt, std::nullopt, sent_at_ms)->epoch;
    for (int i = 0; i < 3; ++i) {
      const auto message = std::make_shared<const std::string>(std::to_string(i));
      EXPECT_EQ(mailbox->Send("box!a", message, {}, sent_at_ms), Mailbox::Sent::kYes);
    }
    EXPECT_TRUE(mailbox->Take(owner.get(), {10}, sent_at_ms, [](uint64_t, const auto&) {}));
    ASSERT_TRUE(store->Save().ok());
    const uint64_t rounds = store->journal().statistics().rounds;
    mailbox->Acknowledge(owner.get(), {epoch, 1, 1});
    ASSERT_TRUE(store->Await([&] { return store->journal().statistics().rounds > rounds; }));
  }
  store.reset();
  EXPECT_TRUE(Check("data").ok());
  store = Open("data", options);
  ASSERT_NE(store, nullptr);
  const auto mailbox = store->layers().Get("layer")->FindMailbox("box!");
  ASSERT_NE(mailbox, nullptr);
  EXPECT_EQ(mailbox->Unread(sent_at_ms), 2);
  const auto owner = std::make_shared<SilentOwner>();
  mailbox->Open(owner, Mailbox::Resume{epoch, 3}, std::nullopt, sent_at_ms);
  int events = 0;
  mailbox->Take(owner.get(), {10}, sent_at_ms, [&](uint64_t, const auto&) { ++events; });
  EXPECT_EQ(events, 0);
}

}  // namespace
}  // namespace chorale
