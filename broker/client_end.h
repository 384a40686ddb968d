// What is undone when a client goes, or says RESET.

#pragma once

#include "storage/store.h"

namespace chorale {

struct Client;
class LockedKeys;

// The shards of the keys that the client watches.
[[nodiscard]] ShardMask ShardsForWatched(const Client& client);
// Ends MULTI and WATCH; the watched keys forget the client soon. The caller holds no shard.
void ResetTransaction(Client& client);
// Ends WATCH under a token that holds the watched keys' shards.
void UnwatchAll(Client& client, LockedKeys& keys);
void UnsubscribeFromAll(Client& client);
// The mailboxes wait for an owner from here on.
void LeaveMailboxes(Client& client);
// Everything the broker keeps for a client that is closing.
void EndClient(Client& client);

}  // namespace chorale
