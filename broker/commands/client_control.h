// The CLIENT subcommands that act on other clients. A connection of another thread is reached by
// posting to that thread.

#pragma once

#include "broker/command.h"

namespace chorale {

void ClientKill(CommandContext& ctx);
void ClientPauseCommand(CommandContext& ctx);
void ClientUnpause(CommandContext& ctx);
void ClientUnblock(CommandContext& ctx);

}  // namespace chorale
