// storage/layers without a broker: mailboxes, groups of them, and the queues of general channels.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/layers/channel_queue.h"
#include "storage/layers/layer.h"
#include "storage/layers/mailbox.h"

namespace chorale::bench {
namespace {

const std::string kGroup = kShortGroup;

class SilentOwner final : public MailboxOwner {
 public:
  void Wake() override {}
  void BeTaken(uint64_t /*epoch*/) override {}
};

// A layer, and processes with a mailbox each.
class Processes {
 public:
  explicit Processes(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const std::string name = MailboxName(i);
      processes_.push_back(
          {layer_->MailboxFor(name, kNow), std::make_shared<SilentOwner>(), 0, ChannelOf(name)});
      Process& process = processes_.back();
      process.mailbox->Open(process.owner, std::nullopt, std::nullopt, kNow);
    }
  }

  struct Process {
    std::shared_ptr<Mailbox> mailbox;
    std::shared_ptr<SilentOwner> owner;
    uint64_t consumed;
    std::string channel;  // one of its channels
  };
  std::vector<Process>& all() { return processes_; }
  Layer& layer() { return *layer_; }

  void JoinAll() {
    for (Process& process : processes_) Join(process);
  }
  // Returns how many joined.
  size_t Join(Process& process) {
    const std::string_view channels[] = {process.channel};
    return process.mailbox->Join(kGroup, channels, kNow + 86'400'000, kNow).value_or(0);
  }
  size_t Discard(Process& process) {
    const std::string_view channels[] = {process.channel};
    return process.mailbox->Discard(kGroup, channels, kNow).value_or(0);
  }

  // The owner gets all that has come, and acknowledges it as consumed. False if nothing had come.
  static bool TakeAndAcknowledge(Process& process) {
    uint64_t received = 0;
    process.mailbox->Take(process.owner.get(), {1000}, kNow,
                          [&](uint64_t /*epoch*/, const MailboxEvent& event) {
                            received = event.number;
                            if (IsMessage(event)) ++process.consumed;
                          });
    return received > 0 && process.mailbox->Acknowledge(
                               process.owner.get(), {std::nullopt, received, process.consumed}) ==
                               Mailbox::Acknowledged::kYes;
  }

 private:
  LayerRegistry registry_{[] { return size_t{64} << 20; }};
  std::shared_ptr<Layer> layer_ = registry_.Get("asgi");
  std::vector<Process> processes_;
};

std::string Message() { return std::string(100, 'm'); }

// So many messages to a channel of a mailbox, and one acknowledgement for them.
void SendTakeAcknowledge(benchmark::State& state) {
  Processes processes(1);
  auto& process = processes.all().front();
  const auto policy = processes.layer().policy();
  const std::string text = Message();
  const AllocationMeter meter(state, state.range(0));
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) {
      process.mailbox->Send(process.channel, std::make_shared<const std::string>(text), *policy,
                            kNow);
    }
    if (!Processes::TakeAndAcknowledge(process)) return state.SkipWithError("nothing came");
  }
}
BENCHMARK(SendTakeAcknowledge)->Name("mailbox/send_take_ack/messages")->Arg(1)->Arg(16);

void MailboxCounts(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t count : {1, 10, 100, 1000}) benchmark->Arg(count);
}

// What GROUP.SEND does without its arguments and its reply, and the owners' part.
void GroupSend(benchmark::State& state) {
  Processes processes(state.range(0));
  processes.JoinAll();
  Layer& layer = processes.layer();
  const auto policy = layer.policy();
  const std::string text = Message();
  const AllocationMeter meter(state);
  for (auto _ : state) {
    int64_t reached = 0;
    const GroupIndex::Snapshot members = layer.groups().Find(kGroup, kNow);
    const auto message = std::make_shared<const std::string>(text);
    for (const auto& mailbox : members.mailboxes) {
      reached += mailbox->SendToGroup(kGroup, message, *policy, kNow).channels;
    }
    if (reached != state.range(0)) return state.SkipWithError("not all members were reached");
    for (auto& process : processes.all()) Processes::TakeAndAcknowledge(process);
  }
}
BENCHMARK(GroupSend)->Name("group/send_take_ack/mailboxes")->Apply(MailboxCounts);

// One more mailbox comes into the group and leaves it; its owner is told.
void GroupAddAndDiscard(benchmark::State& state) {
  Processes processes(state.range(0) + 1);
  processes.JoinAll();
  auto& process = processes.all().back();
  Processes::TakeAndAcknowledge(process);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    if (processes.Discard(process) != 1 || processes.Join(process) != 1) {
      return state.SkipWithError("the membership did not change");
    }
    Processes::TakeAndAcknowledge(process);
  }
}
BENCHMARK(GroupAddAndDiscard)->Name("group/discard_add_take_ack/mailboxes")->Apply(MailboxCounts);

// A member joins again, which renews its membership.
void GroupAddAgain(benchmark::State& state) {
  Processes processes(state.range(0));
  processes.JoinAll();
  auto& process = processes.all().back();
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(processes.Join(process));
}
BENCHMARK(GroupAddAgain)->Name("group/add_again/mailboxes")->Apply(MailboxCounts);

// With so many messages waiting.
void PushAndPop(benchmark::State& state) {
  Processes processes(0);
  ChannelQueue queue;
  queue.CountIn(processes.layer().shared_counters());
  const std::string text = Message();
  for (int64_t i = 0; i < state.range(0); ++i) queue.Push(text, kNow + 60'000, kNow);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    queue.Push(text, kNow + 60'000, kNow);
    benchmark::DoNotOptimize(queue.Pop().data());
  }
}
BENCHMARK(PushAndPop)->Name("channel_queue/push_pop/waiting")->Arg(0)->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace chorale::bench
