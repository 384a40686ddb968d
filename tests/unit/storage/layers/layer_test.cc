#include "storage/layers/layer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "storage/layers/layer_tidying.h"

namespace chorale {
namespace {

constexpr int64_t kNow = 1'000'000;

class SilentOwner final : public MailboxOwner {
 public:
  void Wake() override { ++wakes; }
  void BeTaken(uint64_t) override {}
  std::atomic<int> wakes = 0;
};

class LayerTest : public testing::Test {
 protected:
  bool Join(const std::string& mailbox, const std::string& group) {
    const std::string channel = mailbox + "a";
    const std::vector<std::string_view> channels{channel};
    return layer_.MailboxFor(mailbox, kNow)
        ->Join(group, channels, kNow + 1'000'000, kNow)
        .has_value();
  }

  void Tidy(int64_t now_ms) {
    for (size_t part = 0; part < Layer::kParts; ++part) layer_.Tidy(part, now_ms);
  }

  Layer layer_{"asgi", [] { return size_t{1} << 30; }};
};

TEST_F(LayerTest, AMailboxIsTheSameUntilItIsClosed) {
  const auto mailbox = layer_.MailboxFor("p.one!", kNow);
  EXPECT_EQ(layer_.MailboxFor("p.one!", kNow), mailbox);
  EXPECT_EQ(layer_.FindMailbox("p.one!"), mailbox);
  EXPECT_NE(layer_.MailboxFor("p.two!", kNow), mailbox);
  EXPECT_EQ(layer_.FindMailbox("p.three!"), nullptr);
  EXPECT_TRUE(mailbox->Close(nullptr));
  EXPECT_EQ(layer_.FindMailbox("p.one!"), nullptr);
  EXPECT_NE(layer_.MailboxFor("p.one!", kNow), mailbox);
}

TEST_F(LayerTest, MailboxesThatNobodyComesForAreForgotten) {
  const int64_t grace_ms = layer_.policy()->grace_ms;
  for (int i = 0; i < 1000; ++i) Join("p." + std::to_string(i) + "!", "chat");
  const auto owner = std::make_shared<SilentOwner>();
  layer_.FindMailbox("p.7!")->Open(owner, std::nullopt, std::nullopt, kNow);
  Tidy(kNow + grace_ms);
  EXPECT_EQ(layer_.Mailboxes().size(), 1000u);
  Tidy(kNow + grace_ms + 1);
  EXPECT_EQ(layer_.Mailboxes().size(), 1u);
  EXPECT_EQ(layer_.groups().Find("chat", kNow).mailboxes.size(), 1u);
}

TEST_F(LayerTest, TidyingForgetsAClosedMailboxButNotTheOneThatReplacedIt) {
  layer_.MailboxFor("p.gone!", kNow)->Close(nullptr);
  layer_.MailboxFor("p.one!", kNow)->Close(nullptr);
  const auto replaced = layer_.MailboxFor("p.one!", kNow);
  Tidy(kNow);
  EXPECT_EQ(layer_.Mailboxes(), std::vector<std::shared_ptr<Mailbox>>{replaced});
}

TEST_F(LayerTest, AFlushEndsAllMembershipsAndKeepsTheMailboxes) {
  Join("p.one!", "chat");
  const std::vector<std::string_view> general{"worker"};
  layer_.groups().Join("chat", general, kNow + 1000, kNow);
  layer_.Flush();
  EXPECT_TRUE(layer_.groups().Names().empty());
  EXPECT_EQ(layer_.Mailboxes().size(), 1u);
  EXPECT_TRUE(Join("p.one!", "chat"));
}

TEST(LayerRegistryTest, ALayerComesIntoBeingOnceAndKeepsItsPolicy) {
  LayerRegistry registry([] { return size_t{1}; });
  EXPECT_EQ(registry.Find("asgi"), nullptr);
  const auto layer = registry.Get("asgi");
  LayerPolicy policy;
  policy.capacity = 7;
  layer->set_policy(policy);
  EXPECT_EQ(registry.Get("asgi"), layer);
  EXPECT_EQ(registry.Find("asgi")->policy()->capacity, 7);
  (void)registry.Get("other");
  EXPECT_EQ(registry.Names().size(), 2u);
}

class ManyLayersTest : public testing::Test {
 protected:
  void Make(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      ASSERT_NE(registry_.Get("layer " + std::to_string(made_++)), nullptr);
    }
  }
  void Tidy() {
    LayerTidying tidying(registry_);
    tidying.Begin();
    while (tidying.Step(kNow)) {
    }
    EXPECT_TRUE(tidying.done());
  }
  bool Knows(std::string_view name) { return registry_.Find(name) != nullptr; }

  LayerRegistry registry_{[] { return size_t{1}; }};
  size_t made_ = 0;
};

TEST_F(ManyLayersTest, OfManyLayersThoseThatHoldNothingAreForgotten) {
  Make(1);
  (void)registry_.Get("with a mailbox")->MailboxFor("p.one!", kNow);
  const std::vector<std::string_view> channels{"worker"};
  registry_.Get("with a group")->groups().Join("chat", channels, kNow + 1000, kNow);
  LayerPolicy policy;
  policy.capacity = 7;
  registry_.Get("with a policy")->set_policy(policy);
  const auto queue = registry_.Get("with a queue")->shared_counters();
  const auto used = registry_.Get("used");
  Tidy();
  EXPECT_TRUE(Knows("layer 0")) << "they are few";

  Make(LayerRegistry::kMostRemembered + 500);
  Tidy();
  EXPECT_EQ(registry_.Names().size(), LayerRegistry::kMostRemembered);
  for (const char* name :
       {"with a mailbox", "with a group", "with a policy", "with a queue", "used"}) {
    EXPECT_TRUE(Knows(name)) << name;
  }
}

TEST_F(ManyLayersTest, ThereAreNeverMoreThanTheMost) {
  Make(LayerRegistry::kMost);
  EXPECT_EQ(registry_.Get("one more"), nullptr);
  EXPECT_NE(registry_.Get("layer 0"), nullptr);
  Tidy();
  EXPECT_NE(registry_.Get("one more"), nullptr);
}

TEST_F(ManyLayersTest, NoLayerIsForgottenWhileSomebodyPutsSomethingInIt) {
  LayerPolicy policy;
  policy.capacity = 7;
  for (size_t i = 0; i < LayerRegistry::kMostRemembered; ++i) {
    registry_.Get("kept " + std::to_string(i))->set_policy(policy);
  }
  const std::jthread tidier([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) registry_.Forget("contended");
  });
  for (int i = 0; i < 20'000; ++i) {
    const auto mailbox = registry_.Get("contended")->MailboxFor("p.one!", kNow);
    const auto layer = registry_.Find("contended");
    ASSERT_NE(layer, nullptr);
    ASSERT_EQ(layer->FindMailbox("p.one!"), mailbox);
    EXPECT_TRUE(mailbox->Close(nullptr));
    for (size_t part = 0; part < Layer::kParts; ++part) layer->Tidy(part, kNow);
  }
}

TEST(LayerTidyingTest, ARoundGoesOverEveryPartOfEveryLayer) {
  LayerRegistry registry([] { return size_t{1}; });
  for (const char* name : {"one", "two", "three"}) {
    const auto layer = registry.Get(name);
    for (int i = 0; i < 500; ++i) (void)layer->MailboxFor(std::to_string(i) + "!", kNow);
  }
  LayerTidying tidying(registry);
  EXPECT_TRUE(tidying.done());
  tidying.Begin();
  int steps = 0;
  EXPECT_FALSE(tidying.done());
  for (; tidying.Step(kNow + LayerPolicy().grace_ms + 1); ++steps) {
  }
  EXPECT_GT(steps, 3 * 30);
  for (const char* name : {"one", "two", "three"}) {
    EXPECT_TRUE(registry.Find(name)->Mailboxes().empty());
  }
}

// ---- several threads ----

// What an owner has got, and the checks that hold whatever the threads do.
class Inbox {
 public:
  // A message is "<sender>.<number>"; those of one sender come with ascending numbers.
  void Arrive(uint64_t epoch, const MailboxEvent& event) {
    if (event.kind == MailboxEvent::Kind::kReset) {
      number_ = 0;
      return;
    }
    if (epoch != epoch_) number_ = 0;
    epoch_ = epoch;
    EXPECT_GT(event.number, number_);
    number_ = event.number;
    if (event.message == nullptr) return;
    const size_t dot = event.message->find('.');
    const int sender = std::stoi(event.message->substr(0, dot));
    const int count = std::stoi(event.message->substr(dot + 1));
    EXPECT_GT(count, latest_.try_emplace(sender, -1).first->second);
    latest_[sender] = count;
    ++messages_;
  }
  void Begin(const Mailbox::Opened& opened) {
    if (opened.epoch == epoch_) {
      EXPECT_EQ(opened.last, number_);
    }
    epoch_ = opened.epoch;
    number_ = opened.last;
  }
  Mailbox::Resume resume() const { return {epoch_, number_}; }
  int messages() const { return messages_; }

 private:
  uint64_t epoch_ = 0, number_ = 0;
  std::map<int, int> latest_;
  int messages_ = 0;
};

class LayerThreadsTest : public LayerTest {
 protected:
  static constexpr int kSenders = 3;
  static constexpr int kMessages = 5000;

  LayerThreadsTest() {
    LayerPolicy policy;
    policy.capacity = 1'000'000;
    layer_.set_policy(policy);
  }

  // Alternately to the group and to a channel.
  void Send(int sender) {
    const auto policy = layer_.policy();
    for (int i = 0; i < kMessages; ++i) {
      const auto message =
          std::make_shared<const std::string>(std::to_string(sender) + "." + std::to_string(i));
      if (i % 2 == 0) {
        for (const auto& mailbox : layer_.groups().Find("chat", kNow).mailboxes) {
          mailbox->SendToGroup("chat", message, *policy, kNow);
        }
      } else {
        while (layer_.MailboxFor("p.one!", kNow)->Send("p.one!a", message, *policy, kNow) ==
               Mailbox::Sent::kClosed) {
        }
      }
    }
    ++finished_;
  }
  std::vector<std::jthread> StartSenders() {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kSenders; ++i) threads.emplace_back([this, i] { Send(i); });
    return threads;
  }

  std::atomic<int> finished_ = 0;
};

TEST_F(LayerThreadsTest, EveryMessageArrivesOnceWhileTheOwnerComesAndGoes) {
  Join("p.one!", "chat");
  const auto mailbox = layer_.FindMailbox("p.one!");
  const auto threads = StartSenders();
  Inbox inbox;
  for (uint64_t round = 0; inbox.messages() < kSenders * kMessages; ++round) {
    const auto owner = std::make_shared<SilentOwner>();
    inbox.Begin(*mailbox->Open(owner, inbox.resume(), std::nullopt, kNow));
    mailbox->Take(owner.get(), {100}, kNow,
                  [&](uint64_t epoch, const MailboxEvent& event) { inbox.Arrive(epoch, event); });
    mailbox->Take(owner.get(), {100}, kNow,
                  [](uint64_t, const MailboxEvent&) {});  // lost on the way
    if (round % 2 == 0) {
      const auto done =
          mailbox->Acknowledge(owner.get(), {std::nullopt, inbox.resume().received, 0});
      EXPECT_EQ(done, Mailbox::Acknowledged::kYes);
    }
    if (round % 3 == 0) mailbox->Leave(owner.get(), kNow);
  }
  EXPECT_EQ(inbox.messages(), kSenders * kMessages);
  EXPECT_EQ(layer_.counters().reset, 0u);
}

TEST_F(LayerThreadsTest, FlushesAndMailboxesThatEndLeaveNoDeadMembersAndRepeatNothing) {
  const auto threads = StartSenders();
  Inbox inbox;
  for (int round = 0; finished_ < kSenders; ++round) {
    Join("p.one!", "chat");
    const auto mailbox = layer_.MailboxFor("p.one!", kNow);
    const auto owner = std::make_shared<SilentOwner>();
    const auto opened = mailbox->Open(owner, inbox.resume(), std::nullopt, kNow);
    if (!opened) continue;
    inbox.Begin(*opened);
    for (int i = 0; i < 10; ++i) {
      mailbox->Take(owner.get(), {100}, kNow,
                    [&](uint64_t epoch, const MailboxEvent& event) { inbox.Arrive(epoch, event); });
    }
    if (round % 3 == 0) layer_.Flush();
    if (round % 3 == 1) {
      EXPECT_TRUE(mailbox->Close(owner.get()));
    }
    if (round % 3 == 2) {
      mailbox->Leave(owner.get(), kNow);
      Tidy(kNow + layer_.policy()->grace_ms + 1);
    }
  }
  layer_.Flush();
  Tidy(kNow + layer_.policy()->grace_ms + 1);
  EXPECT_TRUE(layer_.groups().Names().empty());
  for (const auto& mailbox : layer_.Mailboxes()) {
    EXPECT_TRUE(mailbox->state().owned);
    EXPECT_EQ(mailbox->state().bytes, 0u);
    EXPECT_EQ(mailbox->state().unconsumed, 0);
  }
}

}  // namespace
}  // namespace chorale
