// The globals that a script sees: Lua's harmless functions and libraries, Redis's API, all of them
// read-only. Internal to broker/scripting.
//
// Stock Lua has no read-only tables. A protected table is an empty stand-in whose metatable points
// to the real one; functions that bypass metatables (rawset, table.insert, next, ...) are replaced
// by ones that know stand-ins.

#pragma once

#include <lua.hpp>

namespace chorale {

// Fills the globals of a new state and stores the references in its runtime. May raise.
void InstallSandbox(lua_State* L);

// Replaces the table on top of the stack by a read-only stand-in.
void ProtectTable(lua_State* L);

// True if the value is a stand-in; the real table is pushed then.
bool PushProtected(lua_State* L, int index);

// Raises "Attempt to modify a readonly table".
int RaiseReadOnly(lua_State* L);

}  // namespace chorale
