// The handlers of the list family that do not live in lists.cc, where the rows are.

#pragma once

#include "broker/command.h"

namespace chorale::lists {

// lists_pop.cc: what takes elements out at the ends, at once or blocking.
void LPop(CommandContext& ctx);
void RPop(CommandContext& ctx);
void LMPop(CommandContext& ctx);
void BLMPop(CommandContext& ctx);
void BLPop(CommandContext& ctx);
void BRPop(CommandContext& ctx);
void LMove(CommandContext& ctx);
void BLMove(CommandContext& ctx);
void RPopLPush(CommandContext& ctx);
void BRPopLPush(CommandContext& ctx);

}  // namespace chorale::lists
