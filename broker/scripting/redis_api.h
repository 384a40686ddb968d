// The `redis` table of scripts. Internal to broker/scripting.

#pragma once

#include <lua.hpp>
#include <string_view>

namespace chorale {

// Pushes the table. May raise.
void PushRedisApi(lua_State* L);

// Pushes an error as redis.call raises it: a table with the field "err". `text` begins with "-CODE
// " or is put after "ERR ". May raise.
void PushErrorTable(lua_State* L, std::string_view text);

// What a script gets that was ended by SCRIPT KILL.
inline constexpr std::string_view kKilledError = "-ERR Script killed by user with SCRIPT KILL...";
int RaiseKilled(lua_State* L);

}  // namespace chorale
