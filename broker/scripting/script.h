// A script as EVAL and SCRIPT LOAD take it: its source, its name (the SHA-1 of the source) and what
// its first line declares. Immutable and shared by all threads.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace chorale {

// What a script declares in a first line such as "#!lua flags=no-writes,allow-stale".
enum ScriptFlag : uint32_t {
  kScriptNoWrites = 1u << 0,
  kScriptAllowOom = 1u << 1,
  kScriptAllowStale = 1u << 2,
  kScriptNoCluster = 1u << 3,
  kScriptAllowCrossSlotKeys = 1u << 4,
  // Set for a script without such a line: it may do what each of its commands may do.
  kScriptUndeclared = 1u << 5,
};

struct Script {
  std::string sha;     // 40 lower-case hexadecimal digits
  std::string source;  // as the client sent it
  size_t
      code_offset;  // where the Lua code begins in `source`: at the end of the first line, if any
  uint32_t flags;   // ScriptFlag

  std::string_view code() const { return std::string_view(source).substr(code_offset); }
};

// Reads the first line. The message of a failure is Redis's text without the leading "ERR ".
[[nodiscard]] absl::StatusOr<std::shared_ptr<const Script>> ParseScript(std::string_view source);

}  // namespace chorale
