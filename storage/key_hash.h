// The one hash of keys, fields and members. It is seeded at random once per process, so that a
// client cannot choose keys that collide. Thread-safe.

#pragma once

#include <cstdint>
#include <string_view>

namespace chorale {

// Low bits choose the bucket of a table, high bits choose the shard of the store.
[[nodiscard]] uint64_t HashKey(std::string_view key);

}  // namespace chorale
