// Every workload: its name, its defaults, how it is made.

#include <array>

#include "bench/load/workload.h"
#include "bench/load/workloads/core.h"
#include "bench/load/workloads/footprint.h"
#include "bench/load/workloads/message.h"
#include "bench/load/workloads/native.h"
#include "bench/load/workloads/plain.h"
#include "bench/load/workloads/pubsub.h"
#include "bench/load/workloads/storm.h"

namespace chorale::bench {
namespace {

// Messages under way at a time: a channel takes 100, and its consumer's word comes late.
constexpr uint32_t kWindow = 50;
constexpr uint32_t kMessageSize = 100;

constexpr Defaults kPlain{};
constexpr Defaults kOneAtATime{.value_size = kMessageSize, .deepest_pipeline = 1};
constexpr Defaults kMessage{.value_size = kMessageSize, .deepest_pipeline = kWindow};
constexpr Defaults kGroupAdd{.keys = 1000, .members = 10};
constexpr Defaults kGroupSend{.connections = 1,
                              .value_size = kMessageSize,
                              .members = 10,
                              .processes = 10,
                              .deepest_pipeline = kWindow,
                              .least_value_size = kStampSize};
constexpr Defaults kPublish{
    .connections = 100, .value_size = kMessageSize, .least_value_size = kStampSize};
constexpr Defaults kIdle{.connections = 1000};
constexpr Defaults kMemoryString{.connections = 1, .keys = 1'000'000, .value_size = 10};
constexpr Defaults kMemorySortedSet{.connections = 1, .keys = 10'000, .members = 100};

const std::array kRows = {
    WorkloadRow{"ping", "PING", kPlain, MakePlain},
    WorkloadRow{"get", "GET of keys that are there", kPlain, MakePlain},
    WorkloadRow{"set", "SET", kPlain, MakePlain},
    WorkloadRow{"incr", "INCR", kPlain, MakePlain},
    WorkloadRow{"lpush", "LPUSH to one list", kPlain, MakePlain},
    WorkloadRow{"rpop", "RPOP from one list, which is filled again in between", kPlain, MakePlain},
    WorkloadRow{"lpush_rpop", "LPUSH and RPOP in turn, of one list", kPlain, MakePlain},
    WorkloadRow{"sadd", "SADD of --keys elements to one set", kPlain, MakePlain},
    WorkloadRow{"hset", "HSET of --keys fields of one hash", kPlain, MakePlain},
    WorkloadRow{"zadd", "ZADD of --keys elements to one sorted set", kPlain, MakePlain},
    WorkloadRow{"zpopmin", "ZPOPMIN from one sorted set of --keys, filled again in between", kPlain,
                MakePlain},
    WorkloadRow{"mset", "MSET of ten keys", kPlain, MakePlain},
    WorkloadRow{"core_send_receive", "channels_redis core: send, then receive, in each process",
                kOneAtATime, MakeCoreSendReceive},
    WorkloadRow{"core_group_add", "channels_redis core: group_add to one of --keys groups",
                kGroupAdd, MakeCoreGroupAdd},
    WorkloadRow{"core_group_send", "channels_redis core: group_send to --processes of --members",
                kGroupSend, MakeCoreGroupSend},
    WorkloadRow{"pubsub_send_receive", "channels_redis pubsub: send, then receive", kMessage,
                MakePubSubSendReceive},
    WorkloadRow{"pubsub_group_send", "channels_redis pubsub: group_send to --processes", kGroupSend,
                MakePubSubGroupSend},
    WorkloadRow{"native_send_receive", "native layer: CHANNEL.SEND into an open mailbox", kMessage,
                MakeNativeSendReceive},
    WorkloadRow{"native_general_send_receive", "native layer: CHANNEL.SEND, then CHANNEL.RECEIVE",
                kMessage, MakeNativeGeneralSendReceive},
    WorkloadRow{"native_group_add", "native layer: GROUP.ADD to one of --keys groups", kGroupAdd,
                MakeNativeGroupAdd},
    WorkloadRow{"native_group_send", "native layer: GROUP.SEND to --processes of --members",
                kGroupSend, MakeNativeGroupSend},
    WorkloadRow{"publish", "PUBLISH to --connections subscribers", kPublish, MakePublish},
    WorkloadRow{"storm", "connect, HELLO, one command, close", kOneAtATime, MakeStorm},
    WorkloadRow{"idle", "memory of --connections that do nothing for --seconds", kIdle, MakeIdle},
    WorkloadRow{"memory_string", "memory of --keys strings", kMemoryString, MakeMemoryString},
    WorkloadRow{"memory_zset", "memory of --keys sorted sets of --members", kMemorySortedSet,
                MakeMemorySortedSet},
};

}  // namespace

std::span<const WorkloadRow> AllWorkloads() { return kRows; }

}  // namespace chorale::bench
