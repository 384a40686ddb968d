// The versions that the broker tells its clients.

#pragma once

#include <string_view>

namespace chorale {

// The Redis version whose commands are followed; clients compare it.
inline constexpr std::string_view kRedisVersion = "7.4.0";
inline constexpr std::string_view kChoraleVersion = CHORALE_VERSION;

}  // namespace chorale
