// What dispatch needs to know of a script before it runs.

#pragma once

#include "broker/command.h"

namespace chorale {

// The shards that EVAL or EVALSHA needs: those of the keys where the script is known to touch no
// others, else all.
[[nodiscard]] ShardMask ShardsForScript(const Command& command, Arguments args);

}  // namespace chorale
