// Whole commands without their socket: look-up, the gate, locks, the handler, its reply. On a
// thread of a broker, as they run there.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "bench/micro/allocations.h"
#include "bench/micro/running_broker.h"
#include "bench/micro/workload.h"
#include "broker/connection.h"

namespace chorale::bench {
namespace {

using Command = std::vector<std::string_view>;

// An iteration dispatches each of `commands`, after those of `before`, once.
void DispatchAll(benchmark::State& state, const std::vector<Command>& before,
                 const std::vector<Command>& commands) {
  RunningBroker broker(1);
  if (!broker.error().empty()) return state.SkipWithError(broker.error().c_str());
  broker.OnThread([&](IoThread& thread) {
    SocketlessClient client(thread);
    std::string replies;
    thread.BeginCommands();
    for (const Command& command : before) client.Run(command, replies);
    if (replies.starts_with('-')) return state.SkipWithError(replies.c_str());
    const AllocationMeter meter(state);
    for (auto _ : state) {
      replies.clear();
      for (const Command& command : commands) client.Run(command, replies);
    }
    if (replies.starts_with('-')) state.SkipWithError(replies.c_str());
  });
}

struct Case {
  const char* name;
  std::vector<Command> before;
  std::vector<Command> commands;
};

const std::string_view kLong =
    "a value that is longer than the hundred and twenty-eight bytes that lie beside their key, "
    "so that it has an allocation of its own in the store";

// Steady states: each leaves the keyspace as it found it.
std::vector<Case> Cases() {
  std::vector<Case> cases = {
      {"ping", {}, {{"PING"}}},
      {"get", {{"SET", "key", "some value"}}, {{"GET", "key"}}},
      {"get_absent", {}, {{"GET", "key"}}},
      {"mget_of_3", {{"MSET", "a", "1", "b", "2", "c", "3"}}, {{"MGET", "a", "b", "c"}}},
      {"set_same_size", {{"SET", "key", "some value"}}, {{"SET", "key", "some other"}}},
      {"set_long", {{"SET", "key", kLong}}, {{"SET", "key", kLong}}},
      {"set_ex", {}, {{"SET", "key", "some value", "EX", "100"}}},
      {"set_del", {}, {{"SET", "key", "some value"}, {"DEL", "key"}}},
      {"incr", {{"SET", "key", "1"}}, {{"INCR", "key"}}},
      {"append_getdel", {}, {{"APPEND", "key", "some value"}, {"GETDEL", "key"}}},
      {"expire", {{"SET", "key", "some value"}}, {{"EXPIRE", "key", "100"}}},
      {"exists", {{"SET", "key", "some value"}}, {{"EXISTS", "key"}}},
      {"lpush_rpop", {{"RPUSH", "list", "a"}}, {{"LPUSH", "list", "b"}, {"RPOP", "list"}}},
      {"lpush_rpop_last", {}, {{"LPUSH", "list", "b"}, {"RPOP", "list"}}},
      {"lrange_of_3", {{"RPUSH", "list", "a", "b", "c"}}, {{"LRANGE", "list", "0", "-1"}}},
      {"hset", {{"HSET", "hash", "f", "v"}}, {{"HSET", "hash", "f", "w"}}},
      {"hget", {{"HSET", "hash", "f", "v"}}, {{"HGET", "hash", "f"}}},
      {"hgetall", {{"HSET", "hash", "f", "v", "g", "w"}}, {{"HGETALL", "hash"}}},
      {"sadd_srem", {{"SADD", "set", "a"}}, {{"SADD", "set", "b"}, {"SREM", "set", "b"}}},
      {"sismember", {{"SADD", "set", "a"}}, {{"SISMEMBER", "set", "a"}}},
      {"zadd", {{"ZADD", "zset", "1", "a"}}, {{"ZADD", "zset", "2", "a"}}},
      {"zadd_zpopmin",
       {{"ZADD", "zset", "1", "a"}},
       {{"ZADD", "zset", "0", "b"}, {"ZPOPMIN", "zset"}}},
      {"zrange_withscores",
       {{"ZADD", "zset", "1", "a", "2", "b"}},
       {{"ZRANGE", "zset", "0", "-1", "WITHSCORES"}}},
      {"multi_get_exec", {}, {{"MULTI"}, {"GET", "key"}, {"EXEC"}}},
      {"publish_unheard", {}, {{"PUBLISH", "channel", "message"}}},
      {"group_send_empty", {}, {{"GROUP.SEND", "asgi", "chat", "message"}}},
      {"channel_send_receive",
       {},
       {{"CHANNEL.SEND", "asgi", "worker", "message"}, {"CHANNEL.RECEIVE", "asgi", "worker"}}},
  };
  return cases;
}

const bool g_registered = [] {
  for (const Case& one : Cases()) {
    benchmark::RegisterBenchmark(
        (std::string("command/") + one.name).c_str(),
        [one](benchmark::State& state) { DispatchAll(state, one.before, one.commands); });
  }
  return true;
}();

}  // namespace
}  // namespace chorale::bench
