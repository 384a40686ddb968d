// How a command waits for a key: the broker's side of storage/waiter.h.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/command.h"
#include "broker/lease.h"
#include "storage/entry.h"

namespace chorale {

// Takes what the command wants from `key`, which holds a value of the wanted type, and writes the
// reply. Runs on the client's thread when a key has something at once, else on the thread of
// whoever fills the key, with the shards of `key` and of the target held.
using PopFunction = std::function<void(LockedKeys& keys, std::string_view key, ReplyWriter& reply)>;
// The same, and returns what is leased to the client (lease.h).
using LeasingPopFunction = std::function<std::unique_ptr<Lease>(
    LockedKeys& keys, std::string_view key, ReplyWriter& reply)>;

struct BlockingPop {
  std::vector<std::string_view> keys;  // in the order of preference
  ValueType wanted;
  std::string_view target = {};  // a further key that `pop` changes, or empty
  int64_t timeout_ms = 0;        // 0: for ever
  PopFunction pop = {};
  // The reply where it may not block; BLMOVE's is a null bulk string there, but not on time-out.
  bool null_array_at_once = true;
  LeasingPopFunction leasing_pop = {};  // in the place of `pop`
};

// Pops from the first key that has something, or blocks the client until one does. Inside EXEC and
// scripts it replies null instead. The context holds the shards of all keys.
void PopOrBlock(CommandContext& context, BlockingPop pop);

// A time-out argument in seconds, as BLPOP takes it, in milliseconds. Writes the error and returns
// nullopt when it is not a number, negative or too large.
[[nodiscard]] std::optional<int64_t> ParseTimeout(CommandContext& context, std::string_view text);
// The same for one in milliseconds, as WAIT takes it.
[[nodiscard]] std::optional<int64_t> ParseMilliseconds(CommandContext& context,
                                                       std::string_view text);

}  // namespace chorale
