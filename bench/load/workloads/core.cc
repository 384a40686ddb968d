#include "bench/load/workloads/core.h"

#include <random>
#include <string>
#include <utility>

#include "bench/load/workloads/channels_redis.h"
#include "bench/load/workloads/command_template.h"
#include "bench/load/workloads/core_receive.h"
#include "bench/load/workloads/message.h"

namespace chorale::bench {
namespace {

using channels_redis::Process;
using channels_redis::Time;
using client::Value;

// send() to a channel of the process itself, then receive() of it.
class SendReceive final : public Operations {
 public:
  SendReceive(Random random, const Process& process, uint32_t value_size)
      : random_(random),
        queue_(process.queue),
        message_(std::string(kRandomPrefix, '\0') +
                 EncodeMessageTo(value_size, process.channels[0])),
        receive_(process) {}

  void Begin(Connection& connection, int64_t) override {
    connection.Append(
        {"ZREMRANGEBYSCORE", queue_, "0", Time::Now().whole_seconds() - channels_redis::kExpiry});
    sent_ = 0;
  }

  Step OnReply(Connection& connection, const Value& value) override {
    if (sent_ == kSendCommands) return OnReceiveReply(connection, value);
    if (value.is_error()) return Step::kFailed;
    switch (++sent_) {
      case 1:
        connection.Append({"ZCOUNT", queue_, "-inf", "+inf"});
        break;
      case 2:
        if (value.integer() >= channels_redis::kCapacity) return Step::kFailed;
        WriteRandomPrefix(random_, message_.data());
        connection.Append({"ZADD", queue_, Time::Now().text(), message_});
        break;
      case 3:
        connection.Append({"EXPIRE", queue_, channels_redis::kExpiry});
        break;
      default:
        receive_.Begin(connection);
    }
    return Step::kMore;
  }

 private:
  static constexpr int kSendCommands = 4;

  Step OnReceiveReply(Connection& connection, const Value& value) {
    switch (receive_.OnReply(connection, value)) {
      case CoreReceive::Step::kMore:
        return Step::kMore;
      case CoreReceive::Step::kMessage:
        is_mine_ = receive_.message() == message_;
        return Step::kMore;
      case CoreReceive::Step::kDone:
        return is_mine_ ? Step::kDone : Step::kFailed;
      case CoreReceive::Step::kFailed:
        break;
    }
    return Step::kFailed;
  }

  Random random_;
  const std::string queue_;
  std::string message_;
  int sent_ = 0;  // commands of send() whose replies have come
  CoreReceive receive_;
  bool is_mine_ = false;
};

// group_add() of one of the process's channels to one of the groups.
class GroupAdd final : public Operations {
 public:
  GroupAdd(Process process, std::string_view groups, KeyChoice choice)
      : process_(std::move(process)), groups_(groups), choice_(std::move(choice)) {}

  void Begin(Connection& connection, int64_t) override {
    CommandTemplate::Overwrite(choice_.Next(), &groups_);
    const std::string& channel = process_.channels[next_++ % process_.channels.size()];
    connection.Append({"ZADD", groups_, Time::Now().text(), channel});
    added_ = false;
  }

  Step OnReply(Connection& connection, const Value& value) override {
    if (value.is_error()) return Step::kFailed;
    if (std::exchange(added_, true)) return Step::kDone;
    connection.Append({"EXPIRE", groups_, channels_redis::kGroupExpiry});
    return Step::kMore;
  }

 private:
  const Process process_;
  std::string groups_;  // the key of the group chosen last
  KeyChoice choice_;
  size_t next_ = 0;
  bool added_ = false;
};

// One driver for each process, all alike.
class Processes : public Workload {
 public:
  absl::Status Prepare(Bench& bench) override {
    for (uint32_t i = 0; i < bench.options().connections; ++i) {
      Driver& driver = bench.AddDriver(i, Make(bench.options(), i));
      Connection& connection = driver.connection;
      absl::Status status = connection.Open(bench.endpoint());
      // As redis-py does.
      if (status.ok()) status = connection.Execute({"HELLO", "3"});
      if (status.ok()) status = bench.loop(i).Add(connection);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 protected:
  virtual std::unique_ptr<Operations> Make(const Options& options, uint32_t number) = 0;

  // Names are other ones in every run: what an earlier one has left does not matter.
  Random random_{std::random_device()()};
};

class SendReceiveProcesses final : public Processes {
 protected:
  std::unique_ptr<Operations> Make(const Options& options, uint32_t) override {
    const Process process(random_, 1);
    return std::make_unique<SendReceive>(Random(random_.Next()), process, options.value_size);
  }
};

class GroupAddProcesses final : public Processes {
 protected:
  std::unique_ptr<Operations> Make(const Options& options, uint32_t number) override {
    KeyChoice choice(options.distribution, options.keys, number + 1);
    return std::make_unique<GroupAdd>(Process(random_, options.members), groups_,
                                      std::move(choice));
  }

 private:
  const std::string groups_ = channels_redis::GroupKey("bench." + channels_redis::Hex(random_) +
                                                       "." + std::string(CommandTemplate::kNumber));
};

}  // namespace

std::unique_ptr<Workload> MakeCoreSendReceive(const Options&) {
  return std::make_unique<SendReceiveProcesses>();
}

std::unique_ptr<Workload> MakeCoreGroupAdd(const Options&) {
  return std::make_unique<GroupAddProcesses>();
}

}  // namespace chorale::bench
