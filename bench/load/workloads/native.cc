#include "bench/load/workloads/native.h"

#include <random>
#include <string>
#include <utility>

#include "bench/load/workloads/channels_redis.h"
#include "bench/load/workloads/command_template.h"
#include "bench/load/workloads/group.h"
#include "bench/load/workloads/mailbox.h"
#include "bench/load/workloads/message.h"

namespace chorale::bench {
namespace {

using channels_redis::Process;
using client::Value;

bool IsPush(const Value& value) { return value.type() == client::Type::kPush; }

// What a process with a mailbox does. Replies to acknowledgements say nothing of an operation.
class MailboxOperations : public Operations {
 public:
  MailboxOperations(Loop& loop, const Process& process) : loop_(loop), mailbox_(process.mailbox) {}

  absl::Status Open(Connection& connection) { return mailbox_.Open(connection); }
  void OnInputEnd(Connection& connection) override {
    mailbox_.AcknowledgeIfDue(connection, loop_.now());
  }

 protected:
  Loop& loop_;
  Mailbox mailbox_;
};

// A message to a channel of the process itself, and its arrival.
class SendReceive final : public MailboxOperations {
 public:
  SendReceive(Loop& loop, const Process& process, uint32_t value_size)
      : MailboxOperations(loop, process),
        channel_(process.channels[0]),
        message_(EncodeMessage(value_size)) {}

  void Begin(Connection& connection, int64_t) override {
    connection.Append({"CHANNEL.SEND", kLayer, channel_, message_});
  }

  Step OnReply(Connection&, const Value& value) override {
    if (value.is_error()) return Step::kFailed;
    if (!IsPush(value)) return Step::kMore;
    return mailbox_.OnPush(value) == message_ ? Step::kDone : Step::kMore;
  }

 private:
  const std::string channel_;
  const std::string message_;
};

// A worker's channel: a message to it, then its receive.
class GeneralSendReceive final : public Operations {
 public:
  GeneralSendReceive(std::string channel, uint32_t value_size)
      : channel_(std::move(channel)), message_(EncodeMessage(value_size)) {}

  void Begin(Connection& connection, int64_t) override {
    connection.Append({"CHANNEL.SEND", kLayer, channel_, message_});
  }

  Step OnReply(Connection& connection, const Value& value) override {
    if (value.is_error()) return Step::kFailed;
    if (value.type() == client::Type::kSimpleString) {
      connection.Append({"CHANNEL.RECEIVE", kLayer, channel_, "BLOCK", "5000"});
      return Step::kMore;
    }
    return value[1].text() == message_ ? Step::kDone : Step::kFailed;
  }

 private:
  const std::string channel_;
  const std::string message_;
};

// One of the process's channels joins one of the groups.
class GroupAdd final : public MailboxOperations {
 public:
  GroupAdd(Loop& loop, Process process, std::string_view groups, KeyChoice choice)
      : MailboxOperations(loop, process),
        process_(std::move(process)),
        groups_(groups),
        choice_(std::move(choice)) {}

  void Begin(Connection& connection, int64_t) override {
    CommandTemplate::Overwrite(choice_.Next(), &groups_);
    const std::string& channel = process_.channels[next_++ % process_.channels.size()];
    connection.Append({"GROUP.ADD", kLayer, groups_, channel});
  }

  Step OnReply(Connection&, const Value& value) override {
    if (value.is_error()) return Step::kFailed;
    if (IsPush(value)) (void)mailbox_.OnPush(value);
    return value.type() == client::Type::kInteger ? Step::kDone : Step::kMore;
  }

 private:
  const Process process_;
  std::string groups_;  // the group chosen last
  KeyChoice choice_;
  size_t next_ = 0;
};

// One driver for each process, all alike.
class Processes : public Workload {
 public:
  absl::Status Prepare(Bench& bench) override {
    absl::Status status = SetLayer(bench.control());
    for (uint32_t i = 0; status.ok() && i < bench.options().connections; ++i) {
      status = Add(bench, i);
    }
    return status;
  }

 protected:
  virtual absl::Status Add(Bench& bench, uint32_t number) = 0;

  static absl::Status Connect(Bench& bench, Connection& connection) {
    absl::Status status = connection.Open(bench.endpoint());
    if (status.ok()) status = connection.Execute({"HELLO", "3"});
    return status;
  }

  // Of operations that have a mailbox.
  static absl::Status AddOwner(Bench& bench, uint32_t number,
                               std::unique_ptr<MailboxOperations> made) {
    MailboxOperations& operations = *made;
    Driver& driver = bench.AddDriver(number, std::move(made));
    absl::Status status = Connect(bench, driver.connection);
    if (status.ok()) status = operations.Open(driver.connection);
    if (status.ok()) status = bench.loop(number).Add(driver.connection);
    return status;
  }

  // Names are other ones in every run: what an earlier one has left does not matter.
  Random random_{std::random_device()()};
};

class SendReceiveProcesses final : public Processes {
 protected:
  absl::Status Add(Bench& bench, uint32_t number) override {
    return AddOwner(bench, number,
                    std::make_unique<SendReceive>(bench.loop(number), Process(random_, 1),
                                                  bench.options().value_size));
  }
};

class GeneralSendReceiveProcesses final : public Processes {
 protected:
  absl::Status Add(Bench& bench, uint32_t number) override {
    std::string channel = "bench." + channels_redis::Hex(random_);
    Driver& driver = bench.AddDriver(number, std::make_unique<GeneralSendReceive>(
                                                 std::move(channel), bench.options().value_size));
    absl::Status status = Connect(bench, driver.connection);
    if (status.ok()) status = bench.loop(number).Add(driver.connection);
    return status;
  }
};

class GroupAddProcesses final : public Processes {
 protected:
  absl::Status Add(Bench& bench, uint32_t number) override {
    const Options& options = bench.options();
    KeyChoice choice(options.distribution, options.keys, number + 1);
    return AddOwner(
        bench, number,
        std::make_unique<GroupAdd>(bench.loop(number), Process(random_, options.members), groups_,
                                   std::move(choice)));
  }

 private:
  const std::string groups_ =
      "bench." + channels_redis::Hex(random_) + "." + std::string(CommandTemplate::kNumber);
};

// ---- groups ----

class GroupSender final : public Operations {
 public:
  GroupSender(FanOut& fan_out, std::string group, const Options& options)
      : fan_out_(fan_out),
        group_(std::move(group)),
        message_(EncodeMessage(options.value_size)),
        stamp_at_(DataOffset(options.value_size)),
        members_(options.members) {}

  size_t Room() override { return fan_out_.Room(); }
  bool Idle() const override { return fan_out_.Idle(); }

  void Begin(Connection& connection, int64_t intended) override {
    WriteStamp(fan_out_.Begin(intended), message_.data() + stamp_at_);
    connection.Append({"GROUP.SEND", kLayer, group_, message_});
  }

  // [reached, full], in channels. All of a process are full, or none.
  Step OnReply(Connection&, const Value& value) override {
    const auto reached = static_cast<int>(value[0].integer() / members_);
    fan_out_.Replied(fan_out_.receivers() - reached);
    return reached == fan_out_.receivers() ? Step::kDone : Step::kFailed;
  }

 private:
  FanOut& fan_out_;
  const std::string group_;
  std::string message_;
  const size_t stamp_at_;
  const int64_t members_;
};

class GroupSend final : public GroupWorkload {
 protected:
  class Owner final : public Receiver {
   public:
    Owner(Loop& loop, Process process, Senders& senders, uint32_t value_size)
        : Receiver(loop),
          process_(std::move(process)),
          mailbox_(process_.mailbox),
          senders_(senders),
          stamp_at_(DataOffset(value_size)) {}

    absl::Status Join(std::string_view group) override {
      absl::Status status = mailbox_.Open(connection);
      if (!status.ok()) return status;
      std::vector<client::Word> words = {"GROUP.ADD", kLayer, group};
      words.insert(words.end(), process_.channels.begin(), process_.channels.end());
      return connection.Execute(words, [](const Value&) {});
    }

    void OnReply(Connection&, const Value& value) override {
      if (IsPush(value)) {
        const std::string_view message = mailbox_.OnPush(value);
        if (message.empty() || Deliver(loop_, senders_, message, stamp_at_)) return;
      }
      if (value.type() == client::Type::kSimpleString) return;  // to an acknowledgement
      loop_.Fail(absl::InternalError("a mailbox's owner got " + value.ToString()));
    }
    void OnInputEnd(Connection& replying) override {
      mailbox_.AcknowledgeIfDue(replying, loop_.now());
    }

   private:
    const Process process_;
    Mailbox mailbox_;
    Senders& senders_;
    const size_t stamp_at_;
  };

  std::unique_ptr<Receiver> MakeReceiver(const Options& options, Loop& loop) override {
    return std::make_unique<Owner>(loop, Process(random_, options.members), senders_,
                                   options.value_size);
  }
  absl::Status PrepareGroup(Bench& bench) override { return SetLayer(bench.control()); }
  std::unique_ptr<Operations> MakeSender(const Options& options, FanOut& fan_out) override {
    return std::make_unique<GroupSender>(fan_out, group_, options);
  }
};

}  // namespace

std::unique_ptr<Workload> MakeNativeSendReceive(const Options&) {
  return std::make_unique<SendReceiveProcesses>();
}

std::unique_ptr<Workload> MakeNativeGeneralSendReceive(const Options&) {
  return std::make_unique<GeneralSendReceiveProcesses>();
}

std::unique_ptr<Workload> MakeNativeGroupAdd(const Options&) {
  return std::make_unique<GroupAddProcesses>();
}

std::unique_ptr<Workload> MakeNativeGroupSend(const Options&) {
  return std::make_unique<GroupSend>();
}

}  // namespace chorale::bench
