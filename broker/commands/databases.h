// The number of a database as an argument. Handlers of databases.cc and COPY and MOVE use it.

#pragma once

#include <optional>

#include "broker/command.h"

namespace chorale {

// Writes the error and returns nullopt when the argument names no database.
[[nodiscard]] std::optional<int> ReadDatabase(CommandContext& ctx, size_t index);

}  // namespace chorale
