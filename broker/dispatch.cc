#include "broker/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "broker/authentication.h"
#include "broker/client_end.h"
#include "broker/clock.h"
#include "broker/command_table.h"
#include "broker/commands/errors.h"
#include "broker/commands/layers.h"
#include "broker/commands/scripting.h"
#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/public_arguments.h"
#include "broker/server.h"

namespace chorale {
namespace {

// Refuses a command that may not run now. True when it wrote a reply.
bool Gate(Connection& connection, const Command* command, Arguments args, ReplyWriter& reply) {
  Client& client = connection.client();
  Server& server = connection.server();
  if (command == nullptr) {
    WriteUnknownCommand(args, reply);
    return true;
  }
  const bool unknown_subcommand = !command->subcommands.empty() && args.size() > 1;
  if (command->handler == nullptr || unknown_subcommand) {
    WriteUnknownSubcommand(args, reply);
    return true;
  }
  if (!ArityMatches(*command, args.size())) {
    WriteWrongArity(*command, reply);
    return true;
  }
  if (!client.authenticated && !command->has(kNoAuth) && server.config().has_password) {
    reply.Error("NOAUTH Authentication required.");
    return true;
  }
  if (command->has(kProtected) && !DebugAllowed(server.config(), *client.info)) {
    reply.Error(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
    return true;
  }
  if (client.protocol == 2 && client.subscribed() && !command->has(kInSubscribeMode)) {
    reply.Error(
        fmt::format("ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
                    "/ RESET are allowed in this context",
                    FullName(*command)));
    return true;
  }
  if (server.script_busy() && !command->has(kAllowBusy)) {
    reply.Error(kBusy);
    return true;
  }
  if (command->has(kDenyOom) && server.OutOfMemory()) {
    reply.Error("OOM command not allowed when used memory > 'maxmemory'.");
    return true;
  }
  if (server.journal() != nullptr && server.journal()->failed() &&
      RunsAny(kWrite, *command, client)) {  // a script is refused when it comes to writing
    reply.Error(DiskError(server));
    return true;
  }
  return false;
}

// An EXEC that may not run ends its transaction; its reply, which begins at `begin`, says so.
void AbortRefusedExec(Client& client, ReplyWriter& reply, size_t begin) {
  std::string_view why = std::string_view(reply.out()).substr(begin + 1);
  why = why.substr(0, why.find('\r'));
  if (why.starts_with("ERR ")) why.remove_prefix(4);
  const std::string text = fmt::format("EXECABORT Transaction discarded because of: {}", why);
  reply.out().resize(begin);
  reply.Error(text);
  ResetTransaction(client);
}

// Counts the reply that begins at `begin` if it is an error.
bool CountIfError(Server& server, ThreadStatistics& statistics, const std::string& out,
                  size_t begin) {
  if (out.size() <= begin || out[begin] != '-') return false;
  const size_t end = out.find_first_of(" \r", begin);
  statistics.errors.Add();
  server.statistics().CountError(std::string_view(out).substr(begin + 1, end - begin - 1));
  return true;
}

// Books the refusal whose reply begins at `begin`.
void NoteRefusal(Connection& connection, const Command* command, ReplyWriter& reply, size_t begin) {
  if (command != nullptr && command->has(kExec)) {
    AbortRefusedExec(connection.client(), reply, begin);
  }
  Server& server = connection.server();
  ThreadStatistics& statistics = server.statistics().thread(connection.thread().index());
  if (command != nullptr) statistics.by_command[command->id].rejected.Add();
  CountIfError(server, statistics, reply.out(), begin);
}

void Queue(Client& client, const Command& command, Arguments args, ReplyWriter& reply) {
  if (command.has(kNoMulti)) {
    client.transaction->aborted = true;
    reply.Error("ERR Command not allowed inside a transaction");
    return;
  }
  QueuedCommand queued{&command, {args.begin(), args.end()}};
  for (const std::string_view arg : args) client.transaction->bytes += arg.size() + sizeof(arg);
  const int64_t limit = client.connection.server().config().client_query_buffer_limit;
  if (client.transaction->bytes > static_cast<size_t>(limit)) {
    client.transaction->aborted = true;
    client.transaction->commands.clear();
    reply.Error("ERR the queued commands are larger than client-query-buffer-limit");
    return;
  }
  client.transaction->commands.push_back(std::move(queued));
  client.info->queued = static_cast<int>(client.transaction->commands.size());
  reply.SimpleString("QUEUED");
}

ShardMask ShardsForTransaction(const Client& client) {
  ShardMask mask = ShardsForWatched(client);
  if (client.transaction == nullptr) return mask;
  for (const QueuedCommand& queued : client.transaction->commands) {
    const std::vector<std::string_view> args(queued.args.begin(), queued.args.end());
    mask |= ShardsFor(*queued.command, args);
  }
  return mask;
}

// Tells the slow log and the latency monitor.
void NoteIfSlow(const CommandContext& context, uint64_t ticks) {
  Server& server = context.server;
  const Config& config = server.config();
  const Command& command = context.command;
  const int64_t slow_us = config.slowlog_log_slower_than_us.load(std::memory_order_relaxed);
  const int64_t threshold_ms = config.latency_monitor_threshold_ms.load(std::memory_order_relaxed);
  const int64_t duration_us = TicksToNanos(ticks) / 1000;
  if (slow_us >= 0 && duration_us >= slow_us && !command.has(kSkipSlowlog)) {
    const ClientInfo& info = *context.client.info;
    server.slowlog().Add(PublicArguments(command, context.args), duration_us, info.address,
                         info.name(), static_cast<size_t>(config.slowlog_max_len.load()));
  }
  if (threshold_ms > 0 && duration_us / 1000 >= threshold_ms) {
    server.latency().Add(command.has(kFast) ? "fast-command" : "command", UnixMillis() / 1000,
                         duration_us / 1000);
  }
}

}  // namespace

ShardMask ShardsFor(const Command& command, Arguments args) {
  if (command.has(kAllShards)) return Store::kAllShards;
  if (command.has(kRunsScript)) {
    return ShardsForScript(command, args);
  }
  if (command.has(kChannelQueues)) return ShardsForChannels(args);
  // The common case of one key, without collecting positions.
  if (command.keys.first == 1 && command.keys.last == 1 && command.keys.count_at == 0) {
    return args.size() > 1 ? Store::MaskOf(args[1]) : 0;
  }
  if (command.keys.first == 0 && command.keys.count_at == 0 && command.keys.further == nullptr) {
    return 0;
  }
  ShardMask mask = 0;
  for (const int position : FindKeys(command, args)) mask |= Store::MaskOf(args[position]);
  return mask;
}

void Dispatch(Connection& connection, Arguments args, ReplyWriter& reply) {
  Client& client = connection.client();
  const Command* command = FindCommand(args);
  Server& server = connection.server();
  const size_t reply_begin = reply.out().size();
  if (Gate(connection, command, args, reply)) {
    if (client.transaction != nullptr) client.transaction->aborted = true;
    NoteRefusal(connection, command, reply, reply_begin);
    return;
  }
  if (server.pause().active() && server.pause().Holds(*command, client)) return;
  if (server.journal() != nullptr && server.HoldsForDisk(*command, client)) return;
  client.info->last_command.store(command, std::memory_order_relaxed);
  if (client.transaction != nullptr && !command->has(kInTransaction)) {
    Queue(client, *command, args, reply);
    return;
  }
  ShardMask shards = ShardsFor(*command, args);
  if (command->has(kExec)) shards |= ShardsForTransaction(client);

  IoThread& thread = connection.thread();
  LockedKeys keys(server.store(), thread.now_ms());
  // A script that runs past its time keeps every shard; waiting for it would keep this thread from
  // serving SCRIPT KILL.
  if (shards != 0 && !keys.Lock(shards, [&server] { return server.script_busy(); })) {
    reply.Error(kBusy);
    NoteRefusal(connection, command, reply, reply_begin);
    return;
  }
  if (client.info->no_touch.load(std::memory_order_relaxed)) keys.set_notes_use(false);
  CommandContext context{server, thread, client, *command, args, keys, reply, client.db};
  const bool script = command->has(kRunsScript);
  if (script && HoldsRecovery(context)) return;
  // What a transaction or a script publishes before it writes must not leave before it is on disk.
  if (server.journal() != nullptr && server.journal()->always() && keys.held() != 0 &&
      ((script && command->has(kMayWrite)) ||
       (command->has(kExec) && RunsAny(kWrite | kMayWrite, *command, client)))) {
    server.journal()->Mark(keys.held());
  }
  Call(context);
  // The layers have locks of their own, of which the token knows nothing. A read may erase what has
  // expired, but says nothing that has to be on disk.
  if (command->has(kWrite) || (keys.noted() && (script || command->has(kExec)))) {
    connection.NeedRound(server.NeededRound());
  }
}

bool RunsAny(uint32_t flags, const Command& command, const Client& client) {
  if (command.has(flags)) return true;
  if (!command.has(kExec) || client.transaction == nullptr) return false;
  const auto& queued = client.transaction->commands;
  return std::any_of(queued.begin(), queued.end(),
                     [flags](const QueuedCommand& one) { return one.command->has(flags); });
}

void Call(CommandContext& context) {
  Server& server = context.server;
  const Command& command = context.command;
  const size_t reply_begin = context.reply.out().size();
  command.handler(context);
  const uint64_t ticks = context.thread.Lap();
  const bool shown = !command.has(kSkipMonitor) && !command.has(kAdmin);
  if (shown && server.monitors().active()) server.monitors().Feed(context);

  ThreadStatistics& statistics = server.statistics().thread(context.thread.index());
  statistics.commands.Add();
  CommandCounters& counters = statistics.by_command[command.id];
  counters.calls.Add();
  counters.ticks.Add(ticks);
  if (CountIfError(server, statistics, context.reply.out(), reply_begin)) counters.failed.Add();
  if (ticks >= context.thread.slow_ticks()) NoteIfSlow(context, ticks);
}

std::string DiskError(Server& server) {
  return fmt::format(
      "MISCONF Errors writing to the data directory: {}. Commands that write are refused until "
      "SAVE succeeds.",
      server.journal()->failure());
}

void WriteUnknownCommand(Arguments args, ReplyWriter& reply) {
  constexpr size_t kShown = 128;
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kShown; ++i) {
    shown += fmt::format("'{}' ", args[i].substr(0, kShown - shown.size()));
  }
  reply.Error(fmt::format("ERR unknown command '{}', with args beginning with: {}",
                          args[0].substr(0, kShown), shown));
}

void WriteUnknownSubcommand(Arguments args, ReplyWriter& reply) {
  std::string container(args[0]);
  std::transform(container.begin(), container.end(), container.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (args.size() < 2) {
    const Command* command = FindCommandByName(args[0]);
    WriteWrongArity(*command, reply);
    return;
  }
  reply.Error(
      fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", args[1].substr(0, 128), container));
}

void WriteWrongArity(const Command& command, ReplyWriter& reply) {
  reply.Error(fmt::format("ERR wrong number of arguments for '{}' command", FullName(command)));
}

}  // namespace chorale
