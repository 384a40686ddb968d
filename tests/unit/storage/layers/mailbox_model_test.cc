// A mailbox against a model of it: whatever senders, owners and their connections do in whatever
// order, each event arrives once and in order, and nothing is left behind.

#include <deque>
#include <map>
#include <random>
#include <set>

#include "tests/unit/storage/layers/mailbox_fixture.h"

namespace chorale {
namespace {

using Kind = MailboxEvent::Kind;

struct Run {
  unsigned seed;
  CapacityScope scope;
  bool expiry;  // whether messages expire
};

class MailboxModelTest : public MailboxFixture, public testing::WithParamInterface<Run> {
 protected:
  struct Shown {
    uint64_t epoch;
    MailboxEvent event;
  };
  // A message in the process; it is consumed when the last of its channels has taken it.
  struct Message {
    std::string text;
    size_t remaining;
  };

  MailboxModelTest() : random_(GetParam().seed) {
    policy_.scope = GetParam().scope;
    policy_.capacity = by_channel() ? 4 : 12;
    policy_.group_expiry_ms = int64_t{1} << 40;
    policy_.grace_ms = int64_t{1} << 40;
  }

  bool by_channel() const { return GetParam().scope == CapacityScope::kChannel; }
  size_t Below(size_t end) { return random_() % end; }
  std::string AnyGroup() { return "g" + std::to_string(Below(3)); }
  std::string AnyChannel() { return "p.one!" + std::to_string(Below(5)); }
  std::vector<std::string> AnyChannels() {
    std::vector<std::string> channels;
    for (size_t i = 0; i <= Below(3); ++i) channels.push_back(AnyChannel());
    return channels;
  }

  // ---- what senders do ----
  int64_t Unconsumed() const { return accepted_ - consumed_known_; }
  bool IsFull(const std::string& channel) {
    if (!by_channel()) return Unconsumed() >= policy_.capacity;
    return sent_[channel].size() - taken_known_[channel] >= static_cast<size_t>(policy_.capacity);
  }
  void SendOne() {
    const std::string channel = AnyChannel();
    const std::string text = std::to_string(next_text_++);
    const bool full = IsFull(channel);
    const bool sent = Send(channel, text);
    if (!GetParam().expiry) {
      ASSERT_EQ(sent, !full);
    }
    if (!sent) return;
    ++accepted_;
    sent_[channel].push_back(text);
  }
  void SendOneToGroup() {
    const std::string group = AnyGroup();
    const std::string text = std::to_string(next_text_++);
    std::set<std::string> receivers;
    for (const std::string& member : members_[group]) {
      if (!IsFull(member)) receivers.insert(member);
    }
    const auto [reached, full] = SendToGroup(group, text);
    ASSERT_EQ(static_cast<size_t>(reached + full), members_[group].size());
    if (GetParam().expiry) {
      if (reached > 0) ++accepted_;
      return;
    }
    ASSERT_EQ(static_cast<size_t>(reached), receivers.size());
    if (!receivers.empty()) ++accepted_;
    for (const std::string& receiver : receivers) sent_[receiver].push_back(text);
  }
  void ChangeMembers(bool join) {
    const std::string group = AnyGroup();
    const std::vector<std::string> channels = AnyChannels();
    size_t expected = 0;
    for (const std::string& channel : channels) {
      expected += join ? members_[group].insert(channel).second : members_[group].erase(channel);
    }
    const std::vector<std::string_view> views(channels.begin(), channels.end());
    ASSERT_EQ(join ? Join(group, views) : Discard(group, views), expected);
  }

  // ---- what the process does ----
  void TakeSome(size_t most) {
    mailbox_->Take(owner_.get(), {most}, now_ms_, [&](uint64_t epoch, const MailboxEvent& event) {
      under_way_.push_back({epoch, event});
    });
  }
  void ArriveSome(size_t most) {
    for (; most > 0 && !under_way_.empty(); --most, under_way_.pop_front()) {
      Arrive(under_way_.front());
    }
  }
  void Arrive(const Shown& shown) {
    const MailboxEvent& event = shown.event;
    ASSERT_EQ(shown.epoch, client_epoch_);
    ASSERT_GT(event.number, received_);
    if (!GetParam().expiry) {
      ASSERT_EQ(event.number, received_ + 1);
    }
    received_ = event.number;
    if (event.kind == Kind::kJoin) {
      std::set<std::string>& members = client_members_[event.name];
      for (const std::string& channel : event.channels) ASSERT_TRUE(members.insert(channel).second);
    } else if (event.kind == Kind::kLeave) {
      std::set<std::string>& members = client_members_[event.name];
      for (const std::string& channel : event.channels) ASSERT_EQ(members.erase(channel), 1u);
    } else {
      std::set<std::string> receivers{event.name};
      if (event.kind == Kind::kGroupMessage) {
        receivers = client_members_[event.name];
        for (const std::string& full : event.channels) ASSERT_EQ(receivers.erase(full), 1u);
      }
      ASSERT_FALSE(receivers.empty());
      const auto message = std::make_shared<Message>(Message{*event.message, receivers.size()});
      for (const std::string& receiver : receivers) waiting_[receiver].push_back(message);
    }
  }
  void ConsumeOne(const std::string& channel) {
    if (waiting_[channel].empty()) return;
    Message& message = *waiting_[channel].front();
    taken_[channel].push_back(message.text);
    if (--message.remaining == 0) ++consumed_;
    waiting_[channel].pop_front();
  }
  void AckNow() {
    if (owner_ == nullptr) return;
    std::vector<UnconsumedMessages::Waiting> unconsumed;
    for (const auto& [channel, taken] : taken_) {
      if (taken.size() == taken_known_[channel]) continue;
      if (by_channel()) {
        unconsumed.emplace_back(channel, static_cast<int64_t>(waiting_[channel].size()));
      }
      taken_known_[channel] = taken.size();
    }
    ASSERT_EQ(Ack(owner_, received_, static_cast<uint64_t>(consumed_), unconsumed),
              Mailbox::Acknowledged::kYes);
    consumed_known_ = consumed_;
  }

  // ---- what connections do ----
  void Disconnect() {
    if (owner_ == nullptr) return;
    Leave(owner_);
    owner_.reset();
    under_way_.clear();
  }
  // From an owner who is still there, too.
  void ComeBack() {
    under_way_.clear();
    owner_ = Open(Mailbox::Resume{client_epoch_, received_});
    ASSERT_EQ(opened_.epoch, client_epoch_);
    ASSERT_EQ(opened_.last, received_);
    ++resumed_;
  }

  void Step() {
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
        return SendOne();
      case 3:
      case 4:
      case 5:
        return SendOneToGroup();
      case 6:
        return ChangeMembers(Below(2) == 0);
      case 7:
      case 8:
        return owner_ == nullptr ? void() : TakeSome(1 + Below(20));
      case 9:
      case 10:
        return ArriveSome(1 + Below(10));
      case 11:
      case 12:
        for (int i = 0; i < 20; ++i) ConsumeOne(AnyChannel());
        return;
      case 13:
        return AckNow();
      case 14:
        return Below(3) == 0 ? Disconnect() : void();
      default:
        if (GetParam().expiry) now_ms_ += static_cast<int64_t>(Below(policy_.expiry_ms / 2));
        if (Below(2) == 0) mailbox_->Tidy(policy_.grace_ms, now_ms_);
        if (Below(4) == 0 || owner_ == nullptr) ComeBack();
    }
  }

  void TakeAllAndAcknowledge() {
    if (owner_ == nullptr) ComeBack();
    TakeSome(1'000'000);
    ArriveSome(1'000'000);
    for (auto& [channel, waiting] : waiting_) {
      while (!waiting.empty()) ConsumeOne(channel);
    }
    AckNow();
  }

  std::mt19937 random_;
  Owner owner_;
  // What was accepted, and what the mailbox has been told.
  int next_text_ = 0;
  int64_t accepted_ = 0, consumed_known_ = 0;
  std::map<std::string, Strings> sent_;
  std::map<std::string, size_t> taken_known_;
  std::map<std::string, std::set<std::string>> members_;
  // What is on the wire, and the process.
  std::deque<Shown> under_way_;
  uint64_t client_epoch_ = 0, received_ = 0;
  std::map<std::string, std::set<std::string>> client_members_;
  std::map<std::string, std::deque<std::shared_ptr<Message>>> waiting_;
  std::map<std::string, Strings> taken_;
  int64_t consumed_ = 0;
  uint64_t resumed_ = 0;
};

TEST_P(MailboxModelTest, EverythingArrivesOnceInOrderAndNothingIsLeftBehind) {
  owner_ = Open();
  client_epoch_ = opened_.epoch;
  for (int step = 0; step < 20'000; ++step) {
    Step();
    if (HasFatalFailure()) FAIL() << "in step " << step;
    if (!GetParam().expiry) {
      ASSERT_EQ(unconsumed(), Unconsumed()) << "in step " << step;
    }
    ASSERT_GE(unconsumed(), 0);
  }
  TakeAllAndAcknowledge();
  ASSERT_FALSE(HasFatalFailure());

  EXPECT_EQ(unconsumed(), 0);
  EXPECT_EQ(bytes(), 0u);
  EXPECT_EQ(client_members_, members_);
  EXPECT_EQ(counters_.reset, 0u);
  EXPECT_EQ(counters_.resumed, resumed_);
  EXPECT_EQ(counters_.received, static_cast<uint64_t>(consumed_));
  EXPECT_EQ(counters_.received + counters_.expired, static_cast<uint64_t>(accepted_));
  if (GetParam().expiry) {
    EXPECT_GT(counters_.expired, 100u);
    for (const auto& [channel, taken] : taken_) {
      const auto less = [](const std::string& a, const std::string& b) {
        return std::stoi(a) <= std::stoi(b);
      };
      EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end(), less)) << channel;
    }
  } else {
    for (const auto& [channel, sent] : sent_) EXPECT_EQ(taken_[channel], sent) << channel;
    EXPECT_GT(accepted_, 2000);
    EXPECT_GT(counters_.full, 100u);
  }

  for (const auto& [group, members] : members_) {
    Discard(group, std::vector<std::string_view>(members.begin(), members.end()));
  }
  TakeAllAndAcknowledge();
  const Mailbox::State state = mailbox_->state();
  EXPECT_EQ(state.memberships, 0u);
  EXPECT_EQ(state.bytes, 0u);
  EXPECT_TRUE(groups_.Names().empty());
}

std::vector<Run> Runs() {
  std::vector<Run> runs;
  for (unsigned seed = 1; seed <= 5; ++seed) {
    for (const auto scope : {CapacityScope::kMailbox, CapacityScope::kChannel}) {
      for (const bool expiry : {false, true}) runs.push_back({seed, scope, expiry});
    }
  }
  return runs;
}

INSTANTIATE_TEST_SUITE_P(Random, MailboxModelTest, testing::ValuesIn(Runs()),
                         [](const testing::TestParamInfo<Run>& info) {
                           const bool by_channel = info.param.scope == CapacityScope::kChannel;
                           return std::string(by_channel ? "ByChannel" : "ByMailbox") +
                                  (info.param.expiry ? "WithExpiry" : "") +
                                  std::to_string(info.param.seed);
                         });

}  // namespace
}  // namespace chorale
