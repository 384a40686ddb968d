// Whole requests: from the socket through a broker's threads to the sockets of all who hear of
// them. The time is that of the client as well, and mostly the kernel's; what they are for is
// `allocs`, which here is everything the broker allocates in the steady state.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/micro/allocations.h"
#include "bench/micro/running_broker.h"
#include "bench/micro/workload.h"
#include "protocol/reply_writer.h"

namespace chorale::bench {
namespace {

constexpr const char* kNoAnswer = "the broker hung up, or answered with an error";

using Clients = std::vector<std::unique_ptr<SocketClient>>;

Clients Connect(const RunningBroker& broker, int64_t count) {
  Clients clients;
  for (int64_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<SocketClient>(broker.socket_path()));
  }
  return clients;
}

// Iterations before the meter is there, in which all buffers grow to what they need.
constexpr int kWarmUp = 20;

// Calls round() in each iteration, which is so many operations and returns false if it failed.
template <typename Round>
void Measure(benchmark::State& state, int64_t operations, Round round) {
  for (int i = 0; i < kWarmUp; ++i) {
    if (!round()) return state.SkipWithError(kNoAnswer);
  }
  const AllocationMeter meter(state, operations);
  for (auto _ : state) {
    if (!round()) return state.SkipWithError(kNoAnswer);
  }
}

// Sends a pipeline of commands, all at once, and waits for the replies. One operation is all of
// `commands`.
void SendPipeline(benchmark::State& state, const std::vector<Words>& before,
                  const std::vector<Words>& commands, int64_t pipeline) {
  RunningBroker broker(1);
  if (!broker.error().empty()) return state.SkipWithError(broker.error().c_str());
  SocketClient client(broker.socket_path());
  for (const Words& words : before) client.Execute(words);
  std::string requests;
  for (int64_t i = 0; i < pipeline; ++i) {
    for (const Words& words : commands) requests += Encoded(words);
  }
  const auto replies = pipeline * static_cast<int64_t>(commands.size());
  Measure(state, pipeline, [&] {
    client.Send(requests);
    for (int64_t i = 0; i < replies; ++i) {
      if (client.Receive().is_error()) return false;
    }
    return client.ok();
  });
}

struct Case {
  const char* name;
  std::vector<Words> before;
  std::vector<Words> commands;
};

std::vector<Case> Cases() {
  return {
      {"ping", {}, {{"PING"}}},
      {"get", {{"SET", "key", "some value"}}, {{"GET", "key"}}},
      {"set_same_size", {{"SET", "key", "some value"}}, {{"SET", "key", "some other"}}},
      {"set_1k", {}, {{"SET", "key", std::string(1024, 'v')}}},
      {"incr", {}, {{"INCR", "key"}}},
      {"hset", {{"HSET", "hash", "f", "v"}}, {{"HSET", "hash", "f", "w"}}},
      {"lpush_rpop", {{"RPUSH", "list", "a"}}, {{"LPUSH", "list", "b"}, {"RPOP", "list"}}},
      {"zadd_zpopmin",
       {{"ZADD", "zset", "1", "a"}},
       {{"ZADD", "zset", "0", "b"}, {"ZPOPMIN", "zset"}}},
      {"channel_send_receive",
       {},
       {{"CHANNEL.SEND", "asgi", "worker", "message"}, {"CHANNEL.RECEIVE", "asgi", "worker"}}},
  };
}

const bool g_registered = [] {
  for (const Case& one : Cases()) {
    benchmark::RegisterBenchmark((std::string("request/") + one.name + "/pipeline").c_str(),
                                 [one](benchmark::State& state) {
                                   SendPipeline(state, one.before, one.commands, state.range(0));
                                 })
        ->Arg(1)
        ->Arg(16)
        ->UseRealTime()
        ->MeasureProcessCPUTime();
  }
  return true;
}();

// ---- fan-out: to so many clients, on so many threads ----

void FanOut(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"receivers", "threads"})->UseRealTime()->MeasureProcessCPUTime();
  for (const int64_t receivers : {1, 10, 100}) {
    for (const int64_t threads : {1, 2}) benchmark->Args({receivers, threads});
  }
}

void Publish(benchmark::State& state) {
  RunningBroker broker(static_cast<int>(state.range(1)));
  if (!broker.error().empty()) return state.SkipWithError(broker.error().c_str());
  SocketClient publisher(broker.socket_path());
  const Clients subscribers = Connect(broker, state.range(0));
  for (const auto& subscriber : subscribers) subscriber->Execute({"SUBSCRIBE", "channel"});
  const std::string request = Encoded({"PUBLISH", "channel", std::string(100, 'm')});
  Measure(state, 1, [&] {
    publisher.Send(request);
    if (publisher.Receive().integer() != state.range(0)) return false;
    for (const auto& subscriber : subscribers) subscriber->Receive();
    return subscribers.back()->ok();
  });
}
BENCHMARK(Publish)->Name("request/publish")->Apply(FanOut);

// A process that has a mailbox, and acknowledges each message as soon as it has come.
class Process {
 public:
  Process(const std::string& path, int64_t number)
      : client_(path),
        mailbox_(MailboxName(number)),
        channel_(ChannelOf(mailbox_)),
        acknowledgement_("*5\r\n" + AsBulk("MAILBOX.ACK") + AsBulk("asgi") + AsBulk(mailbox_)) {
    client_.Execute({"HELLO", "3"});
    client_.Execute({"MAILBOX.OPEN", "asgi", mailbox_});
  }

  void Join(const std::string& group) {
    client_.Send(Encoded({"GROUP.ADD", "asgi", group, channel_}));
    // The reply, and the event that it has joined, in either order.
    client_.Receive();
    client_.Receive();
    ++received_;
  }
  bool ReceiveAndAcknowledge() {
    if (client_.Receive().type() != client::Type::kPush) return false;
    request_ = acknowledgement_;
    ReplyWriter writer(&request_, 2);
    writer.BulkInteger(++received_);
    writer.BulkInteger(++consumed_);
    client_.Send(request_);
    return !client_.Receive().is_error() && client_.ok();
  }
  const std::string& channel() const { return channel_; }

 private:
  static std::string AsBulk(std::string_view word) {
    std::string text;
    ReplyWriter(&text, 2).Bulk(word);
    return text;
  }

  SocketClient client_;
  const std::string mailbox_, channel_;
  const std::string acknowledgement_;  // without its last two words
  std::string request_;
  int64_t received_ = 0;  // events
  int64_t consumed_ = 0;  // messages
};

using Processes = std::vector<std::unique_ptr<Process>>;

Processes StartProcesses(const RunningBroker& broker, int64_t count) {
  Processes processes;
  for (int64_t i = 0; i < count; ++i) {
    processes.push_back(std::make_unique<Process>(broker.socket_path(), i));
  }
  return processes;
}

bool AllAcknowledge(const Processes& processes) {
  for (const auto& process : processes) {
    if (!process->ReceiveAndAcknowledge()) return false;
  }
  return true;
}

void SendToGroup(benchmark::State& state, const char* group) {
  RunningBroker broker(static_cast<int>(state.range(1)));
  if (!broker.error().empty()) return state.SkipWithError(broker.error().c_str());
  SocketClient sender(broker.socket_path());
  const Processes processes = StartProcesses(broker, state.range(0));
  for (const auto& process : processes) process->Join(group);
  const std::string request = Encoded({"GROUP.SEND", "asgi", group, std::string(100, 'm')});
  Measure(state, 1, [&] {
    sender.Send(request);
    return sender.Receive()[0].integer() == state.range(0) && AllAcknowledge(processes);
  });
}

void GroupSend(benchmark::State& state) { SendToGroup(state, kShortGroup); }
BENCHMARK(GroupSend)->Name("request/group_send_ack")->Apply(FanOut);

void LongGroupSend(benchmark::State& state) { SendToGroup(state, kLongGroup); }
BENCHMARK(LongGroupSend)->Name("request/group_send_ack_long_name")->Apply(FanOut);

// One message to a channel of each process.
void ChannelSend(benchmark::State& state) {
  RunningBroker broker(static_cast<int>(state.range(1)));
  if (!broker.error().empty()) return state.SkipWithError(broker.error().c_str());
  SocketClient sender(broker.socket_path());
  const Processes processes = StartProcesses(broker, state.range(0));
  std::string requests;
  for (const auto& process : processes) {
    requests += Encoded({"CHANNEL.SEND", "asgi", process->channel(), std::string(100, 'm')});
  }
  Measure(state, state.range(0), [&] {
    sender.Send(requests);
    for (int64_t i = 0; i < state.range(0); ++i) {
      if (sender.Receive().is_error()) return false;
    }
    return AllAcknowledge(processes);
  });
}
BENCHMARK(ChannelSend)->Name("request/channel_send_ack")->Apply(FanOut);

}  // namespace
}  // namespace chorale::bench
