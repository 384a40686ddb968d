// A mailbox without a broker around it, an owner who writes down what he is told, and the words in
// which the tests speak of events.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/layers/counters.h"
#include "storage/layers/group_index.h"
#include "storage/layers/mailbox.h"
#include "storage/layers/policy.h"

namespace chorale {

using Strings = std::vector<std::string>;

class RecordingOwner final : public MailboxOwner {
 public:
  void Wake() override { ++wakes; }
  void BeTaken(uint64_t epoch) override { taken.push_back(epoch); }

  int wakes = 0;
  std::vector<uint64_t> taken;
};

// "message a=text", "group chat=text but b", "join chat a b", "leave chat a", "reset".
inline std::string Describe(const MailboxEvent& event) {
  using Kind = MailboxEvent::Kind;
  std::string text;
  switch (event.kind) {
    case Kind::kReset:
      return "reset";
    case Kind::kMessage:
      return "message " + event.name + "=" + *event.message;
    case Kind::kGroupMessage:
      text = "group " + event.name + "=" + *event.message;
      if (!event.channels.empty()) text += " but";
      break;
    case Kind::kJoin:
      text = "join " + event.name;
      break;
    case Kind::kLeave:
      text = "leave " + event.name;
  }
  Strings channels = event.channels;
  std::sort(channels.begin(), channels.end());
  for (const std::string& channel : channels) text += " " + channel;
  return text;
}

class MailboxFixture : public testing::Test {
 protected:
  using Owner = std::shared_ptr<RecordingOwner>;

  // ---- the owner's side ----
  Owner Open(std::optional<Mailbox::Resume> resume = std::nullopt) {
    auto owner = std::make_shared<RecordingOwner>();
    const auto result = mailbox_->Open(owner, resume, std::nullopt, now_ms_);
    EXPECT_TRUE(result.has_value());
    if (result) opened_ = *result;
    return owner;
  }
  void Leave(const Owner& owner) { mailbox_->Leave(owner.get(), now_ms_); }
  // What the owner is shown; notes the epoch and the last number.
  Strings Take(const Owner& owner, size_t most = 1000) {
    Strings shown;
    mailbox_->Take(owner.get(), {most}, now_ms_, [&](uint64_t epoch, const MailboxEvent& event) {
      shown.push_back(Describe(event));
      const bool reset = event.kind == MailboxEvent::Kind::kReset;
      epoch_ = reset ? event.number : epoch;
      number_ = reset ? 0 : event.number;
    });
    return shown;
  }
  Mailbox::Acknowledged Ack(const Owner& owner, uint64_t received, uint64_t consumed,
                            const std::vector<UnconsumedMessages::Waiting>& unconsumed = {},
                            std::optional<uint64_t> epoch = std::nullopt) {
    return mailbox_->Acknowledge(owner.get(), {epoch, received, consumed, unconsumed});
  }

  // ---- senders ----
  bool Send(std::string_view channel, std::string_view text = "m") {
    return mailbox_->Send(channel, std::make_shared<const std::string>(text), policy_, now_ms_) ==
           Mailbox::Sent::kYes;
  }
  // Channels reached, and channels that are full.
  std::pair<int64_t, int64_t> SendToGroup(const std::string& group, std::string_view text = "m") {
    const auto reached =
        mailbox_->SendToGroup(group, std::make_shared<const std::string>(text), policy_, now_ms_);
    return {reached.channels, reached.full};
  }
  size_t Join(const std::string& group, const std::vector<std::string_view>& channels) {
    return mailbox_->Join(group, channels, now_ms_ + policy_.group_expiry_ms, now_ms_).value_or(99);
  }
  size_t Discard(const std::string& group, const std::vector<std::string_view>& channels) {
    return mailbox_->Discard(group, channels, now_ms_).value_or(99);
  }

  int64_t unconsumed() const { return mailbox_->state().unconsumed; }
  size_t bytes() const { return mailbox_->state().bytes; }

  int64_t now_ms_ = 1'000'000;
  size_t most_bytes_ = 1 << 20;
  LayerPolicy policy_;
  LayerCounters counters_;
  const std::string layer_ = "asgi";
  GroupIndex groups_{counters_, layer_, nullptr};
  const Mailbox::Surroundings surroundings_{groups_, counters_, [this] { return most_bytes_; },
                                            nullptr, layer_};
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>("p.one!", surroundings_, now_ms_);
  Mailbox::Opened opened_{};  // the latest reply
  uint64_t epoch_ = 0;        // as of the latest event taken
  uint64_t number_ = 0;
};

}  // namespace chorale
