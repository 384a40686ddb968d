// broker/pubsub: finding out who hears a message. With subscribers see requests.cc, since they need
// a socket.

#include "broker/pubsub.h"

#include <benchmark/benchmark.h>

#include <string>

#include "bench/micro/allocations.h"
#include "bench/micro/running_broker.h"
#include "bench/micro/workload.h"
#include "broker/connection.h"

namespace chorale::bench {
namespace {

// To a channel that nobody listens to, while so many names of a kind are listened to.
void PublishUnheard(benchmark::State& state, SubscriptionKind kind) {
  RunningBroker broker(1);
  if (!broker.error().empty()) return state.SkipWithError(broker.error().c_str());
  broker.OnThread([&](IoThread& thread) {
    SocketlessClient client(thread);
    PubSub& pubsub = broker.server().pubsub();
    Names names(static_cast<size_t>(state.range(0)));
    for (int64_t i = 0; i < state.range(0); ++i) {
      const std::string name(names.At(static_cast<size_t>(i)));
      pubsub.Subscribe(kind, kind == SubscriptionKind::kPattern ? name + "*" : name,
                       client.connection());
    }
    {
      const AllocationMeter meter(state);
      for (auto _ : state) {
        const auto published = pubsub.Publish(SubscriptionKind::kChannel, names.New(), "message",
                                              broker.server().threads());
        if (published.receivers != 0) return state.SkipWithError("somebody listens");
      }
    }
    for (int64_t i = 0; i < state.range(0); ++i) {
      const std::string name(names.At(static_cast<size_t>(i)));
      pubsub.Unsubscribe(kind, kind == SubscriptionKind::kPattern ? name + "*" : name,
                         client.connection());
    }
  });
}

void AmongChannels(benchmark::State& state) { PublishUnheard(state, SubscriptionKind::kChannel); }
BENCHMARK(AmongChannels)->Name("pubsub/publish_unheard/channels")->Arg(0)->Arg(10'000);

void AmongPatterns(benchmark::State& state) { PublishUnheard(state, SubscriptionKind::kPattern); }
BENCHMARK(AmongPatterns)->Name("pubsub/publish_unheard/patterns")->Arg(1)->Arg(100);

}  // namespace
}  // namespace chorale::bench
