// The number of a database as an argument. Handlers of databases.cc and COPY and MOVE use it.

#pragma once

#include <optional>
#include <string_view>

#include "broker/command.h"

namespace chorale {

// Writes the error and returns nullopt when the argument names no database. `not_a_number` is the
// error for what is no number; empty stands for Redis's usual one.
[[nodiscard]] std::optional<int> ReadDatabase(CommandContext& ctx, size_t index,
                                              std::string_view not_a_number = {});

}  // namespace chorale
