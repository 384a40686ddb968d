// Walking over a database whose keys are spread over all shards: SCAN and RANDOMKEY. The token
// holds every shard.
//
// SCAN keeps nothing between calls: its cursor names a shard (the low bits) and the cursor of that
// shard's table (the others). A table's cursor promises that a key that is there from the first
// call to the last is visited, however the table grows or shrinks; a key never changes its shard;
// so the promise holds for the whole walk, shard after shard. Cursor 0 begins with shard 0, and is
// what the end of the last shard returns.

#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "storage/locked_keys.h"
#include "storage/random_sample.h"

namespace chorale {

// Visits about `count` keys from `cursor` on, more if they share a bucket, fewer at the end or in
// a database that is almost empty, and returns the next cursor. Keys whose time has passed are
// counted but not visited. `count` is at least 1; any `cursor` is allowed.
[[nodiscard]] uint64_t ScanKeys(LockedKeys& keys, int db, uint64_t cursor, size_t count,
                                absl::FunctionRef<void(const Entry*)> visit);

// A key chosen at random, close to uniformly; nullptr when there is none. Deletes keys whose time
// has passed on the way.
[[nodiscard]] const Entry* RandomKey(LockedKeys& keys, int db, RandomBits random);

}  // namespace chorale
