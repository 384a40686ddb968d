// What dispatch decides about a script before it runs.

#pragma once

#include "broker/command.h"

namespace chorale {

// The shards that EVAL or EVALSHA needs: those of the keys where the script is known to touch no
// others, else all.
[[nodiscard]] ShardMask ShardsForScript(const Command& command, Arguments args);

// True if the command is channels_redis's recovery script and was postponed, because an earlier
// receive on its queue may not be over (lease.h). The context holds the script's shards.
[[nodiscard]] bool PostponeRecovery(CommandContext& context);

}  // namespace chorale
