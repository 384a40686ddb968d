// Lua's own library functions that need another form here: those that load code, catch errors,
// draw random numbers or could exhaust the C stack. Internal to broker/scripting.

#pragma once

#include <lua.hpp>

namespace chorale {

// Replace the functions in the globals of a new state that has Lua's libraries. May raise.
void ReplaceBaseFunctions(lua_State* L);

// Compiles `code`, which is never taken for bytecode, and pushes the function; otherwise the error
// text, and the result is not 0.
int LoadText(lua_State* L, const char* code, size_t size, const char* name);

}  // namespace chorale
