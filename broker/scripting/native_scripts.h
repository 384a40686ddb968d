// channels_redis's three scripts, run without Lua.
//
// channels_redis names its keys in ARGV as well as in KEYS, so that in Lua its scripts hold every
// shard. Recognised by their SHA-1 they run here, with the same commands in the same order and the
// same errors, holding only the shards of their keys. They are an optimisation and nothing else:
// arguments out of the ordinary are left to Lua. Thread-safe: no state.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripting/script_host.h"
#include "protocol/reply_writer.h"

namespace chorale {

struct ScriptArguments {
  std::span<const std::string_view> keys;
  std::span<const std::string_view> arguments;
};

struct NativeScript {
  std::string_view sha;
  // The keys that it touches; false if any key may be. Called with accepted arguments.
  bool (*touched_keys)(const ScriptArguments&, std::vector<std::string_view>* keys);
  // Whether it can run with these arguments; otherwise Lua does.
  bool (*accepts)(const ScriptArguments&);
  // Writes one reply; true if it is not an error.
  bool (*run)(const ScriptArguments&, std::string_view sha, ScriptHost&, ReplyWriter&);
  // Of the recovery script: the first argument names the queue that a consumer is about to pop
  // from.
  bool recovers;
};

// nullptr if the script is another one.
[[nodiscard]] const NativeScript* FindNativeScript(std::string_view sha);

}  // namespace chorale
