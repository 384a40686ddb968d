// The number of a database as an argument. Handlers of databases.cc and COPY and MOVE use it.

#pragma once

#include <optional>
#include <string_view>

#include "broker/command.h"

namespace chorale {

// All write the error when they return nullopt or false. An index is any number of 32 bits; `error`
// is for what is none, empty stands for Redis's usual words.
[[nodiscard]] std::optional<int> ReadDatabaseIndex(CommandContext& ctx, size_t index,
                                                   std::string_view error = {});
// A database that exists.
[[nodiscard]] std::optional<int> ReadDatabase(CommandContext& ctx, size_t index);
[[nodiscard]] bool DatabaseExists(CommandContext& ctx, int db);

}  // namespace chorale
