// What commands do to their keys, in the words of COMMAND INFO's key specifications. Clients with
// key-based access rules read them; the broker itself does not. Thread-safe.
// https://redis.io/docs/latest/develop/reference/key-specs/

#pragma once

#include <string_view>

#include "broker/command.h"

namespace chorale {

// Words in one string: first how the key is treated (RO, RW, OW: overwritten, RM: removed), then
// whether its data is returned, changed, added to or deleted.
struct KeyAccess {
  std::string_view first;  // of the command's first key
  std::string_view rest;   // of its other keys
};

[[nodiscard]] KeyAccess KeyAccessOf(const Command& command);
// The same for one call; arguments may make a difference (SET with GET).
[[nodiscard]] KeyAccess KeyAccessOf(const Command& command, Arguments args);

}  // namespace chorale
