// Who a client is: there is one user, "default", whose password is the option requirepass.
// Thread-safe. https://redis.io/docs/latest/commands/auth/

#pragma once

#include <string>
#include <string_view>

#include "broker/client.h"
#include "broker/config.h"

namespace chorale {

inline constexpr std::string_view kDefaultUser = "default";
inline constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";

// True for the default user with its password; with any password while none is set. Takes as long
// for a wrong password as for the right one.
[[nodiscard]] bool PasswordMatches(const Config& config, std::string_view user,
                                   std::string_view password);

// Compares in a time that depends on the length of `given` only.
[[nodiscard]] bool EqualInConstantTime(std::string_view given, std::string_view secret);

// Whether enable-debug-command lets the client use DEBUG.
[[nodiscard]] bool DebugAllowed(const Config& config, const ClientInfo& client);

}  // namespace chorale
