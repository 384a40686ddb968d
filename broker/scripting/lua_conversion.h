// Values between Lua and RESP, by the rules of
// https://redis.io/docs/latest/develop/interact/programmability/lua-api/ ("Data type conversion").
// Internal to broker/scripting.

#pragma once

#include <lua.hpp>
#include <string_view>

#include "protocol/reply_writer.h"

namespace chorale {

// Pushes the value of a whole, well-formed reply. An error becomes a table with the field "err".
// May raise.
void PushReply(lua_State* L, std::string_view reply);

// Writes the value on top of the stack as a reply and pops it. `script_protocol` is the version
// that the script chose: with 3, booleans stay booleans. May raise when the reply gets too large.
void WriteValue(lua_State* L, int script_protocol, ReplyWriter& reply);

}  // namespace chorale
