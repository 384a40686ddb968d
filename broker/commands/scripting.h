// What dispatch decides about a script before it runs.

#pragma once

#include "broker/command.h"

namespace chorale {

// The shards that EVAL or EVALSHA needs: those of the keys where the script is known to touch no
// others, else all.
[[nodiscard]] ShardMask ShardsForScript(const Command& command, Arguments args);

// True if the command is channels_redis's recovery script and does not run now: it was postponed,
// because an earlier receive on its queue may not be over, or its client has hung up and is closed
// (lease.h). The context holds the script's shards.
[[nodiscard]] bool HoldsRecovery(CommandContext& context);

}  // namespace chorale
