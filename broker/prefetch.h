// Most of the time of a pipelined command goes into waiting for memory: what several commands will
// look at is fetched at the same time. On the connection's thread, which holds no shard.

#pragma once

#include "protocol/command_batch.h"
#include "storage/store.h"

namespace chorale {

// Brings the keys of the commands into the cache, and the fields or members that several commands
// about one key name. Most commands' second word is a key; if not, nothing is lost but a little
// time.
void PrefetchFor(const CommandBatch& batch, Store& store, int db);

}  // namespace chorale
