// Transactions: https://redis.io/docs/latest/develop/interact/transactions/
//
// EXEC holds the shards of all queued and of all watched keys at once, so nothing happens between
// its commands, and a watched key is checked under the same locks under which the commands run.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "broker/client.h"
#include "broker/client_end.h"
#include "broker/command.h"
#include "broker/dispatch.h"

namespace chorale {
namespace {

void Multi(CommandContext& ctx) {
  if (ctx.client.transaction != nullptr) {
    ctx.reply.Error("ERR MULTI calls can not be nested");
    return;
  }
  ctx.client.transaction = std::make_unique<Transaction>();
  ctx.client.info->queued = 0;
  ctx.reply.Ok();
}

std::unique_ptr<Transaction> EndTransaction(Client& client) {
  client.info->queued = -1;
  return std::move(client.transaction);
}

void Discard(CommandContext& ctx) {
  if (ctx.client.transaction == nullptr) {
    ctx.reply.Error("ERR DISCARD without MULTI");
    return;
  }
  ResetTransaction(ctx.client);
  ctx.reply.Ok();
}

// A watched key whose time has passed counts as changed: looking it up deletes it.
bool WatchedKeysChanged(CommandContext& ctx) {
  for (const WatchedKey& watched : ctx.client.watched) ctx.keys.Find(watched.db, watched.key);
  return ctx.client.watch_flag != nullptr && ctx.client.watch_flag->changed;
}

void Exec(CommandContext& ctx) {
  Client& client = ctx.client;
  if (client.transaction == nullptr) {
    ctx.reply.Error("ERR EXEC without MULTI");
    return;
  }
  const bool changed = WatchedKeysChanged(ctx);
  const std::unique_ptr<Transaction> transaction = EndTransaction(client);
  UnwatchAll(client, ctx.keys);
  if (transaction->aborted) {
    ctx.reply.Error("EXECABORT Transaction discarded because of previous errors.");
    return;
  }
  if (changed) {
    ctx.reply.NullArray();
    return;
  }
  ctx.reply.ArrayHeader(transaction->commands.size());
  std::vector<std::string_view> args;
  for (const QueuedCommand& queued : transaction->commands) {
    args.assign(queued.args.begin(), queued.args.end());
    ctx.reply.set_version(client.protocol);
    CommandContext inner{ctx.server,      ctx.thread, client,
                         *queued.command, args,       ctx.keys,
                         ctx.reply,       client.db,  CommandContext::Origin::kExec};
    Call(inner);
  }
}

void Watch(CommandContext& ctx) {
  Client& client = ctx.client;
  if (client.transaction != nullptr) {
    ctx.reply.Error("ERR WATCH inside MULTI is not allowed");
    return;
  }
  if (client.watch_flag == nullptr) client.watch_flag = std::make_shared<WatchFlag>();
  for (const std::string_view key : ctx.args.subspan(1)) {
    const bool watched = std::any_of(
        client.watched.begin(), client.watched.end(),
        [&](const WatchedKey& other) { return other.db == ctx.db && other.key == key; });
    if (watched) continue;
    ctx.keys.Watch(ctx.db, key, client.watch_flag);
    client.watched.push_back({ctx.db, std::string(key)});
  }
  client.info->watched = static_cast<int>(client.watched.size());
  ctx.reply.Ok();
}

// In a transaction EXEC has done it already.
void Unwatch(CommandContext& ctx) {
  ResetTransaction(ctx.client);
  ctx.reply.Ok();
}

constexpr uint32_t kControl = kNoScript | kLoading | kStale | kFast | kAllowBusy;

constexpr Command kCommands[] = {
    {"discard",
     1,
     kControl | kInTransaction,
     {},
     kCatFast | kCatTransaction,
     &Discard,
     "transactions",
     "2.0.0",
     "Drops the commands queued since MULTI."},
    {"exec",
     1,
     kNoScript | kLoading | kStale | kSkipSlowlog | kInTransaction | kExec,
     {},
     kCatSlow | kCatTransaction,
     &Exec,
     "transactions",
     "1.2.0",
     "Runs the commands queued since MULTI, as one."},
    {"multi",
     1,
     kControl | kInTransaction,
     {},
     kCatFast | kCatTransaction,
     &Multi,
     "transactions",
     "1.2.0",
     "Begins to queue commands."},
    {"unwatch",
     1,
     kControl,
     {},
     kCatFast | kCatTransaction,
     &Unwatch,
     "transactions",
     "2.2.0",
     "Forgets the watched keys."},
    {"watch",
     -2,
     kControl | kInTransaction,
     {1, -1, 1},
     kCatFast | kCatTransaction,
     &Watch,
     "transactions",
     "2.2.0",
     "Lets the next EXEC fail if one of the keys has changed."},
};

}  // namespace

std::span<const Command> TransactionCommands() { return kCommands; }

}  // namespace chorale
