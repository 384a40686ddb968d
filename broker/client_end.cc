#include "broker/client_end.h"

#include "broker/client.h"
#include "broker/clock.h"
#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/mailbox_delivery.h"
#include "broker/server.h"
#include "storage/locked_keys.h"

namespace chorale {
namespace {

void ForgetWatched(Client& client) {
  client.watched.clear();
  client.watch_flag.reset();
  client.info->watched = 0;
}

}  // namespace

ShardMask ShardsForWatched(const Client& client) {
  ShardMask mask = 0;
  for (const WatchedKey& watched : client.watched) mask |= Store::MaskOf(watched.key);
  return mask;
}

void ResetTransaction(Client& client) {
  client.transaction.reset();
  client.info->queued = -1;
  if (client.watched.empty()) return;
  const ShardMask shards = ShardsForWatched(client);  // before the list is moved
  client.connection.thread().WithKeys(
      shards, [watched = std::move(client.watched), flag = client.watch_flag](LockedKeys& keys) {
        for (const WatchedKey& key : watched) keys.Unwatch(key.db, key.key, flag);
      });
  ForgetWatched(client);
}

void UnwatchAll(Client& client, LockedKeys& keys) {
  for (const WatchedKey& watched : client.watched) {
    keys.Unwatch(watched.db, watched.key, client.watch_flag);
  }
  ForgetWatched(client);
}

void UnsubscribeFromAll(Client& client) {
  if (client.subscriptions == nullptr) return;
  PubSub& pubsub = client.connection.server().pubsub();
  const auto leave = [&](SubscriptionKind kind, const auto& names) {
    for (const std::string& name : names) pubsub.Unsubscribe(kind, name, client.connection);
  };
  leave(SubscriptionKind::kChannel, client.subscriptions->channels);
  leave(SubscriptionKind::kPattern, client.subscriptions->patterns);
  leave(SubscriptionKind::kShardChannel, client.subscriptions->shard_channels);
  client.subscriptions.reset();
  client.info->channels = client.info->patterns = client.info->shard_channels = 0;
}

void LeaveMailboxes(Client& client) {
  for (const auto& mailbox : client.mailboxes) mailbox->Leave(UnixMillis());
  client.mailboxes.clear();
}

void EndClient(Client& client) {
  Server& server = client.connection.server();
  ResetTransaction(client);
  UnsubscribeFromAll(client);
  LeaveMailboxes(client);
  if (client.info->monitor) server.monitors().Remove(*client.info);
  server.clients().Remove(client.info->id);
}

}  // namespace chorale
