// What monitors and the slow log may show of a call.

#pragma once

#include <string_view>
#include <vector>

#include "broker/command.h"

namespace chorale {

// The arguments, with those behind the command's name hidden if they may be secrets.
[[nodiscard]] inline std::vector<std::string_view> PublicArguments(const Command& command,
                                                                   Arguments args) {
  std::vector<std::string_view> shown(args.begin(), args.end());
  if (!command.has(kSecretArguments)) return shown;
  for (size_t i = command.is_subcommand() ? 2 : 1; i < shown.size(); ++i) shown[i] = "(redacted)";
  return shown;
}

}  // namespace chorale
