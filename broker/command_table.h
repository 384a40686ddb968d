// Finds a command's row by name, and its keys. Built before main(), constant afterwards.

#pragma once

#include <absl/container/inlined_vector.h>

#include <string_view>
#include <vector>

#include "broker/command.h"

namespace chorale {

// The row of args[0], in any letter case; for a container with subcommands (CLIENT, CONFIG) the row
// of the subcommand args[1] if there is one, else the container's. nullptr when there is no such
// command.
[[nodiscard]] const Command* FindCommand(Arguments args);
// The container's or plain command's row alone.
[[nodiscard]] const Command* FindCommandByName(std::string_view name);

// Every row, subcommands included, in the order of Command::id.
[[nodiscard]] const std::vector<Command>& AllRows();
// All top-level rows in the order of their names.
[[nodiscard]] const std::vector<const Command*>& AllCommands();

[[nodiscard]] inline bool ArityMatches(const Command& command, size_t count) {
  return command.arity >= 0 ? count == static_cast<size_t>(command.arity)
                            : count >= static_cast<size_t>(-command.arity);
}

// "config|get" for a subcommand, else the name.
[[nodiscard]] std::string FullName(const Command& command);

using KeyPositions = absl::InlinedVector<int, 8>;
// Indices into `args` of the command's keys; empty when it has none or they are malformed.
[[nodiscard]] KeyPositions FindKeys(const Command& command, Arguments args);

}  // namespace chorale
