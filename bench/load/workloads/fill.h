// Fills data in before the load, through one connection that sends many commands at a time.

#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/connection.h"

namespace chorale::bench {

// Sends `commands` commands, of which `append` appends the one of a number from 0 on.
[[nodiscard]] absl::Status Fill(Connection& control, int64_t commands,
                                absl::FunctionRef<void(int64_t, std::string*)> append);

// `elements` elements, in commands of 100: `first` words, then those that `add` adds for each.
using AddWords = absl::FunctionRef<void(int64_t, std::vector<std::string>*)>;
[[nodiscard]] absl::Status FillElements(Connection& control, std::vector<std::string> first,
                                        int64_t elements, AddWords add);

// The prefix and twelve digits.
[[nodiscard]] std::string Numbered(std::string_view prefix, int64_t number);

}  // namespace chorale::bench
