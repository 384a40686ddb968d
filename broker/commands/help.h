// What all containers of subcommands share: HELP, built from their rows, and an error.

#pragma once

#include "broker/command.h"

namespace chorale {

void Help(CommandContext& ctx);

// The error of a subcommand that takes between some and some more arguments and got too many.
void WriteSubcommandSyntaxError(CommandContext& ctx);

}  // namespace chorale
