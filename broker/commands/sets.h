// The handlers of the set family that do not live in sets.cc, where the rows are.

#pragma once

#include "broker/command.h"

namespace chorale::sets {

// sets_combine.cc: what computes with several sets.
void SInter(CommandContext& ctx);
void SInterStore(CommandContext& ctx);
void SInterCard(CommandContext& ctx);
void SUnion(CommandContext& ctx);
void SUnionStore(CommandContext& ctx);
void SDiff(CommandContext& ctx);
void SDiffStore(CommandContext& ctx);

}  // namespace chorale::sets
