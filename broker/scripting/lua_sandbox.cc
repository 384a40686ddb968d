#include "broker/scripting/lua_sandbox.h"

#include <iterator>

#include "broker/scripting/lua_base.h"
#include "broker/scripting/lua_cmsgpack.h"
#include "broker/scripting/lua_runtime.h"
#include "broker/scripting/lua_struct.h"
#include "broker/scripting/redis_api.h"

extern "C" {
#include <lua-bitop.h>
#include <lua-cjson.h>
}

namespace chorale {
namespace {

// What scripts may use of Lua itself, as in Redis.
constexpr const char* kBaseNames[] = {
    "_VERSION", "assert",   "collectgarbage", "coroutine", "error",        "gcinfo", "getmetatable",
    "ipairs",   "load",     "loadstring",     "math",      "next",         "pairs",  "pcall",
    "rawequal", "rawget",   "rawset",         "select",    "setmetatable", "string", "table",
    "tonumber", "tostring", "type",           "unpack",    "xpcall",
};

// Marks, in a stand-in's metatable: the real table, and what getmetatable() is to show of it.
char real_table_key;
char shown_metatable_key;

int IndexMissingGlobal(lua_State* L) {
  const char* name = lua_tostring(L, 2);
  return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                    name != nullptr ? name : luaL_typename(L, 2));
}

int RaiseReadOnlyAtLine(lua_State* L) {
  return luaL_error(L, "Attempt to modify a readonly table");
}

// Pushes what a stand-in's metatable holds under a mark; false, and nothing pushed, for any other
// value.
bool PushMark(lua_State* L, int index, char* key) {
  if (lua_getmetatable(L, index) == 0) return false;
  lua_pushlightuserdata(L, &real_table_key);
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 2);
    return false;
  }
  if (key != &real_table_key) {
    lua_pop(L, 1);
    lua_pushlightuserdata(L, key);
    lua_rawget(L, -2);
  }
  lua_remove(L, -2);
  return true;
}

// The functions below stand for Lua's own: upvalue 1 is the one that they stand for. It is called
// in the same frame, so that its errors name the function and the line that the script wrote.
int CallOriginal(lua_State* L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

int RefuseProtected(lua_State* L) {
  if (PushProtected(L, 1)) return RaiseReadOnly(L);
  return CallOriginal(L);
}

int UseRealTable(lua_State* L) {
  if (PushProtected(L, 1)) lua_replace(L, 1);
  return CallOriginal(L);
}

int GetMetatable(lua_State* L) {
  if (PushMark(L, 1, &shown_metatable_key)) return 1;
  return CallOriginal(L);
}

int Next(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (PushProtected(L, 1)) lua_replace(L, 1);
  if (lua_next(L, 1) != 0) return 2;
  lua_pushnil(L);
  return 1;
}

int Pairs(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

// The collector belongs to the interpreter: a script may use it but not stop or tune it.
int CollectGarbage(lua_State* L) {
  static const char* const kOptions[] = {"collect", "count",    "step",       "stop",
                                         "restart", "setpause", "setstepmul", nullptr};
  if (luaL_checkoption(L, 1, "collect", kOptions) < 3) return CallOriginal(L);
  lua_pushinteger(L, 0);
  return 1;
}

// The table on top of the stack has a C function of that name: puts `stand_in` in its place.
void Wrap(lua_State* L, const char* name, lua_CFunction stand_in) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, stand_in, 1);
  lua_setfield(L, -2, name);
}

void WrapTableAccess(lua_State* L) {
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  Wrap(L, "rawset", RefuseProtected);
  Wrap(L, "setmetatable", RefuseProtected);
  Wrap(L, "getmetatable", GetMetatable);
  Wrap(L, "rawget", UseRealTable);
  Wrap(L, "collectgarbage", CollectGarbage);
  Wrap(L, "next", Next);
  lua_getfield(L, -1, "next");
  lua_pushcclosure(L, Pairs, 1);
  lua_setfield(L, -2, "pairs");
  lua_getfield(L, -1, "table");
  Wrap(L, "insert", RefuseProtected);
  Wrap(L, "foreach", UseRealTable);
  lua_pop(L, 2);
}

void OpenLibraries(lua_State* L) {
  constexpr luaL_Reg kLibraries[] = {
      {"", luaopen_base},
      {LUA_TABLIBNAME, luaopen_table},
      {LUA_STRLIBNAME, luaopen_string},
      {LUA_MATHLIBNAME, luaopen_math},
      {LUA_OSLIBNAME, luaopen_os},
      {"bit", luaopen_bit},
  };
  for (const auto& [name, open] : kLibraries) {
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
  }
}

// Puts the table or function on top of the stack into the new globals, which lie under it.
void AddGlobal(lua_State* L, const char* name) {
  if (lua_istable(L, -1)) ProtectTable(L);
  lua_setfield(L, -2, name);
}

void AddLibraries(lua_State* L) {
  for (const char* name : kBaseNames) {
    lua_getglobal(L, name);
    AddGlobal(L, name);
  }
  lua_getglobal(L, "bit");
  AddGlobal(L, "bit");
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  AddGlobal(L, "cjson");
  PushCmsgpack(L);
  AddGlobal(L, "cmsgpack");
  PushStruct(L);
  AddGlobal(L, "struct");
  PushRedisApi(L);
  AddGlobal(L, "redis");
  lua_createtable(L, 0, 1);
  lua_getglobal(L, "os");
  lua_getfield(L, -1, "clock");
  lua_setfield(L, -3, "clock");
  lua_pop(L, 1);
  AddGlobal(L, "os");
}

// getmetatable("") shows a copy that cannot be changed.
void ProtectStringMetatable(lua_State* L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_createtable(L, 0, 1);
  lua_getfield(L, -4, "string");
  lua_setfield(L, -2, "__index");
  ProtectTable(L);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

// Takes the new globals from the stack and makes a stand-in for them the state's globals.
void SwitchGlobals(lua_State* L) {
  lua_pushvalue(L, -1);
  RuntimeOf(L).globals = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, IndexMissingGlobal);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -1);
  ProtectTable(L);  // globals, metatable, its stand-in
  lua_insert(L, -2);
  lua_setmetatable(L, -3);  // globals, stand-in of the metatable
  lua_pushvalue(L, -2);
  ProtectTable(L);  // globals, stand-in of the metatable, stand-in of the globals
  lua_getmetatable(L, -1);
  lua_pushlightuserdata(L, &shown_metatable_key);
  lua_pushvalue(L, -4);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "_G");
  lua_replace(L, LUA_GLOBALSINDEX);
  lua_pop(L, 2);
}

}  // namespace

int RaiseReadOnly(lua_State* L) {
  lua_pushliteral(L, "Attempt to modify a readonly table");
  return lua_error(L);
}

bool PushProtected(lua_State* L, int index) { return PushMark(L, index, &real_table_key); }

void ProtectTable(lua_State* L) {
  lua_newtable(L);
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, RaiseReadOnlyAtLine);
  lua_setfield(L, -2, "__newindex");
  lua_pushlightuserdata(L, &real_table_key);
  lua_pushvalue(L, -4);
  lua_rawset(L, -3);
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

void InstallSandbox(lua_State* L) {
  OpenLibraries(L);
  ReplaceBaseFunctions(L);
  WrapTableAccess(L);
  lua_newtable(L);
  AddLibraries(L);
  ProtectStringMetatable(L);
  SwitchGlobals(L);
}

}  // namespace chorale
