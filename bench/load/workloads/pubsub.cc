#include "bench/load/workloads/pubsub.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/workloads/channels_redis.h"
#include "bench/load/workloads/group.h"
#include "bench/load/workloads/message.h"

namespace chorale::bench {
namespace {

using client::Value;

// A subscription's confirmation is a push, so that PING tells that it is done.
absl::Status Subscribe(Connection& connection, std::string_view channel) {
  std::string commands;
  const client::Word subscribe[] = {"SUBSCRIBE", channel};
  const client::Word ping[] = {"PING"};
  client::AppendCommand(subscribe, &commands);
  client::AppendCommand(ping, &commands);
  return connection.Ask(commands, 1, [](const Value&) {});
}

bool IsMessage(const Value& push) {
  return push.type() == client::Type::kPush && push[0].text() == "message";
}

class Publisher final : public Operations {
 public:
  Publisher(FanOut& fan_out, std::string channel, std::string message, size_t stamp_at)
      : fan_out_(fan_out),
        channel_(std::move(channel)),
        message_(std::move(message)),
        stamp_at_(stamp_at) {}

  size_t Room() override { return fan_out_.Room(); }
  bool Idle() const override { return fan_out_.Idle(); }

  void Begin(Connection& connection, int64_t intended) override {
    WriteStamp(fan_out_.Begin(intended), message_.data() + stamp_at_);
    connection.Append({"PUBLISH", channel_, message_});
  }

  Step OnReply(Connection&, const Value& value) override {
    const int left_out = fan_out_.receivers() - static_cast<int>(value.integer());
    fan_out_.Replied(left_out);
    return left_out == 0 ? Step::kDone : Step::kFailed;
  }

 private:
  FanOut& fan_out_;
  const std::string channel_;
  std::string message_;
  const size_t stamp_at_;
};

// One channel, to which every receiver is subscribed.
class Publish : public GroupWorkload {
 protected:
  class Subscriber final : public Receiver {
   public:
    Subscriber(Loop& loop, Senders& senders, std::string channel, size_t stamp_at)
        : Receiver(loop), senders_(senders), channel_(std::move(channel)), stamp_at_(stamp_at) {}

    absl::Status Join(std::string_view) override { return Subscribe(connection, channel_); }

    void OnReply(Connection&, const Value& value) override {
      if (IsMessage(value) && Deliver(loop_, senders_, value[2].text(), stamp_at_)) return;
      if (value[0].text() == "subscribe") return;
      loop_.Fail(absl::InternalError("a subscriber got " + value.ToString()));
    }

   private:
    Senders& senders_;
    const std::string channel_;
    const size_t stamp_at_;
  };

  uint32_t SendersOf(const Options&) const override { return 1; }
  uint32_t ReceiversOf(const Options& options) const override { return options.connections; }
  virtual std::string Channel() const { return group_; }
  virtual std::string Message(const Options& options) const {
    return std::string(options.value_size, 'x');
  }
  virtual size_t StampAt(const Options&) const { return 0; }

  std::unique_ptr<Receiver> MakeReceiver(const Options& options, Loop& loop) final {
    return std::make_unique<Subscriber>(loop, senders_, Channel(), StampAt(options));
  }
  std::unique_ptr<Operations> MakeSender(const Options& options, FanOut& fan_out) final {
    return std::make_unique<Publisher>(fan_out, Channel(), Message(options), StampAt(options));
  }
};

class PubSubGroupSend final : public Publish {
 protected:
  uint32_t SendersOf(const Options& options) const override { return options.connections; }
  uint32_t ReceiversOf(const Options& options) const override { return options.processes; }
  std::string Channel() const override { return channels_redis::GroupChannel(group_); }
  std::string Message(const Options& options) const override {
    return EncodeMessage(options.value_size);
  }
  size_t StampAt(const Options& options) const override { return DataOffset(options.value_size); }
};

// send() to a channel of the process itself, then receive() of it: a process has one connection
// that publishes, the driver's, and one that is subscribed.
class SendReceive final : public Operations {
 public:
  SendReceive(std::string channel, uint32_t value_size)
      : channel_(std::move(channel)), message_(EncodeMessage(value_size)) {}

  absl::Status Subscribe(Bench& bench, Loop& loop, Driver& driver) {
    subscriber_ = std::make_unique<Connection>(&driver);
    absl::Status status = subscriber_->Open(bench.endpoint());
    if (status.ok()) status = subscriber_->Execute({"HELLO", "3"});
    if (status.ok()) status = bench::Subscribe(*subscriber_, channel_);
    if (status.ok()) status = loop.Add(*subscriber_);
    return status;
  }

  void Begin(Connection& connection, int64_t) override {
    connection.Append({"PUBLISH", channel_, message_});
  }

  // The reply and the message come in any order.
  Step OnReply(Connection& connection, const Value& value) override {
    if (&connection == subscriber_.get()) {
      if (!IsMessage(value)) return Step::kMore;
      return ++received_ <= replied_ ? Step::kDone : Step::kMore;
    }
    if (value.integer() != 1) return Step::kFailed;
    return ++replied_ <= received_ ? Step::kDone : Step::kMore;
  }

 private:
  const std::string channel_;
  const std::string message_;
  std::unique_ptr<Connection> subscriber_;
  int64_t replied_ = 0;
  int64_t received_ = 0;
};

class PubSubSendReceive final : public Workload {
 public:
  absl::Status Prepare(Bench& bench) override {
    const Options& options = bench.options();
    for (uint32_t i = 0; i < options.connections; ++i) {
      auto made =
          std::make_unique<SendReceive>(channels_redis::PubSubChannel(random_), options.value_size);
      SendReceive& operations = *made;
      Driver& driver = bench.AddDriver(i, std::move(made));
      absl::Status status = driver.connection.Open(bench.endpoint());
      if (status.ok()) status = driver.connection.Execute({"HELLO", "3"});
      if (status.ok()) status = bench.loop(i).Add(driver.connection);
      if (status.ok()) status = operations.Subscribe(bench, bench.loop(i), driver);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  Random random_{std::random_device()()};
};

}  // namespace

std::unique_ptr<Workload> MakePublish(const Options&) { return std::make_unique<Publish>(); }

std::unique_ptr<Workload> MakePubSubGroupSend(const Options&) {
  return std::make_unique<PubSubGroupSend>();
}

std::unique_ptr<Workload> MakePubSubSendReceive(const Options&) {
  return std::make_unique<PubSubSendReceive>();
}

}  // namespace chorale::bench
