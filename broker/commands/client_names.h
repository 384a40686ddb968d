// What a client may call itself and its library: CLIENT SETNAME, CLIENT SETINFO, HELLO SETNAME.

#pragma once

#include <algorithm>
#include <string_view>

namespace chorale {

inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// Printable ASCII without spaces, so that a line of CLIENT LIST can be taken apart; empty is fine.
[[nodiscard]] inline bool IsClientName(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace chorale
