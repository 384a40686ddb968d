#include "broker/scripting/lua_base.h"

#include <bit>
#include <climits>
#include <cmath>
#include <cstring>

#include "broker/scripting/lua_runtime.h"
#include "broker/scripting/redis_api.h"

namespace chorale {
namespace {

constexpr char kBytecodeMark = LUA_SIGNATURE[0];

// Each quantifier of a pattern can take a C stack frame; Lua does not count them.
constexpr size_t kMaxPatternBytes = 8192;

// --- Loading code: as text only, because crafted bytecode can do anything to the process. ---

struct Pieces {
  bool started = false;
};

// A space in front changes no line number, but keeps Lua from seeing bytecode.
const char* ReadPiece(lua_State* L, void* user, size_t* size) {
  auto& pieces = *static_cast<Pieces*>(user);
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  if (lua_isnil(L, -1)) {
    *size = 0;
    return nullptr;
  }
  if (lua_isstring(L, -1) == 0) {
    luaL_error(L, "reader function must return a string");
  }
  lua_replace(L, 3);
  const char* text = lua_tolstring(L, 3, size);
  if (!pieces.started && *size > 0) {
    pieces.started = true;
    if (text[0] == kBytecodeMark) {
      lua_pushliteral(L, " ");
      lua_pushvalue(L, 3);
      lua_concat(L, 2);
      lua_replace(L, 3);
      text = lua_tolstring(L, 3, size);
    }
  }
  return text;
}

int LoadResult(lua_State* L, int failed) {
  if (failed == 0) return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

int Load(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  const char* name = luaL_optstring(L, 2, "=(load)");
  lua_settop(L, 3);
  lua_pushstring(L, name);  // keeps the name alive for the compiler, see LoadText()
  Pieces pieces;
  return LoadResult(L, lua_load(L, ReadPiece, &pieces, name));
}

int LoadString(lua_State* L) {
  size_t size;
  const char* code = luaL_checklstring(L, 1, &size);
  return LoadResult(L, LoadText(L, code, size, luaL_optstring(L, 2, code)));
}

// --- Catching errors: not that of a killed script. ---

int ProtectedCall(lua_State* L) {
  luaL_checkany(L, 1);
  const int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (failed != 0) {
    if (RuntimeOf(L).killed) return RaiseKilled(L);
    if (lua_istable(L, -1)) {  // what redis.call raised: the script sees the text alone
      lua_getfield(L, -1, "err");
      if (lua_isstring(L, -1) != 0) {
        lua_replace(L, -2);
      } else {
        lua_pop(L, 1);
      }
    }
  }
  lua_pushboolean(L, failed == 0 ? 1 : 0);
  lua_insert(L, 1);
  return lua_gettop(L);
}

int ProtectedCallWithHandler(lua_State* L) {
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_insert(L, 1);
  const int failed = lua_pcall(L, 0, LUA_MULTRET, 1);
  if (failed != 0 && RuntimeOf(L).killed) return RaiseKilled(L);
  lua_pushboolean(L, failed == 0 ? 1 : 0);
  lua_replace(L, 1);
  return lua_gettop(L);
}

// --- Functions that stock Lua lets overflow or run too long. ---

int Unpack(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const lua_Integer first = luaL_optint(L, 2, 1);
  const lua_Integer last = lua_isnoneornil(L, 3) ? static_cast<lua_Integer>(lua_objlen(L, 1))
                                                 : static_cast<int>(luaL_checkinteger(L, 3));
  if (first > last) return 0;
  if (last - first >= LUAI_MAXCSTACK ||
      lua_checkstack(L, static_cast<int>(last - first) + 1) == 0) {
    return luaL_error(L, "too many results to unpack");
  }
  for (lua_Integer i = first; i <= last; ++i) lua_rawgeti(L, 1, static_cast<int>(i));
  return static_cast<int>(last - first) + 1;
}

int StringRep(lua_State* L) {
  size_t size;
  const char* text = luaL_checklstring(L, 1, &size);
  const auto times = static_cast<int>(luaL_checkinteger(L, 2));
  if (times <= 0 || size == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (size > RuntimeOf(L).memory_limit / static_cast<size_t>(times)) {
    return luaL_error(L, "resulting string too large");
  }
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (int i = 0; i < times; ++i) luaL_addlstring(&buffer, text, size);
  luaL_pushresult(&buffer);
  return 1;
}

// Upvalue 1: Lua's match, gmatch or gsub.
int CheckPattern(lua_State* L) {
  if (lua_type(L, 2) == LUA_TSTRING && lua_objlen(L, 2) > kMaxPatternBytes &&
      std::strpbrk(lua_tostring(L, 2), "^$*+?.([%-") != nullptr) {
    return luaL_error(L, "pattern too complex");
  }
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

// Upvalue 1: Lua's find, whose fourth argument says that the pattern is plain text.
int CheckFindPattern(lua_State* L) {
  return lua_toboolean(L, 4) != 0 ? lua_tocfunction(L, lua_upvalueindex(1))(L) : CheckPattern(L);
}

// Upvalue 1: bit.tohex, which cannot negate the least integer; -8 means the same.
int BitToHex(lua_State* L) {
  if (lua_isnumber(L, 2) != 0) {
    // Adding 2^52 + 2^51 leaves the low 32 bits of the number in those of the sum: the library's
    // way.
    const double sum = lua_tonumber(L, 2) + 6755399441055744.0;
    if (static_cast<uint32_t>(std::bit_cast<uint64_t>(sum)) == 0x80000000) {
      lua_pushinteger(L, -8);
      lua_replace(L, 2);
    }
  }
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

// --- Random numbers: the 48-bit generator of POSIX's lrand48, so that a script that seeds it draws
// the same numbers as on Redis. ---

void Seed(LuaRuntime& runtime, uint32_t seed) {
  runtime.random_state = (uint64_t{seed} << 16) | 0x330E;
}

int32_t NextRandom(LuaRuntime& runtime) {
  constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
  runtime.random_state = (runtime.random_state * 0x5DEECE66D + 0xB) & kMask;
  return static_cast<int32_t>(runtime.random_state >> 17);
}

int Random(lua_State* L) {
  const double r = static_cast<double>(NextRandom(RuntimeOf(L)) % INT_MAX) / INT_MAX;
  switch (lua_gettop(L)) {
    case 0:
      lua_pushnumber(L, r);
      return 1;
    case 1: {
      const int high = luaL_checkint(L, 1);
      luaL_argcheck(L, 1 <= high, 1, "interval is empty");
      lua_pushnumber(L, std::floor(r * high) + 1);
      return 1;
    }
    case 2: {
      const int low = luaL_checkint(L, 1);
      const int high = luaL_checkint(L, 2);
      luaL_argcheck(L, low <= high, 2, "interval is empty");
      lua_pushnumber(L, std::floor(r * (static_cast<double>(high) - low + 1)) + low);
      return 1;
    }
    default:
      return luaL_error(L, "wrong number of arguments");
  }
}

int RandomSeed(lua_State* L) {
  Seed(RuntimeOf(L), static_cast<uint32_t>(luaL_checkint(L, 1)));
  return 0;
}

void WrapField(lua_State* L, const char* name, lua_CFunction function) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}

}  // namespace

// Lua's compiler holds the chunk's name only by pointer while it allocates: the copy on the stack,
// the same interned string, keeps the collector away from it.
int LoadText(lua_State* L, const char* code, size_t size, const char* name) {
  lua_pushstring(L, name);
  if (size > 0 && code[0] == kBytecodeMark) {
    lua_pushliteral(L, " ");
    lua_pushlstring(L, code, size);
    lua_concat(L, 2);
    code = lua_tolstring(L, -1, &size);
  }
  return luaL_loadbuffer(L, code, size, name);
}

void ReplaceBaseFunctions(lua_State* L) {
  Seed(RuntimeOf(L), 0);
  lua_register(L, "load", Load);
  lua_register(L, "loadstring", LoadString);
  lua_register(L, "pcall", ProtectedCall);
  lua_register(L, "xpcall", ProtectedCallWithHandler);
  lua_register(L, "unpack", Unpack);

  lua_getglobal(L, "math");
  lua_pushcfunction(L, Random);
  lua_setfield(L, -2, "random");
  lua_pushcfunction(L, RandomSeed);
  lua_setfield(L, -2, "randomseed");

  lua_getglobal(L, "string");
  lua_pushcfunction(L, StringRep);
  lua_setfield(L, -2, "rep");
  for (const char* name : {"match", "gmatch", "gfind", "gsub"}) WrapField(L, name, CheckPattern);
  WrapField(L, "find", CheckFindPattern);

  lua_getglobal(L, "bit");
  WrapField(L, "tohex", BitToHex);
  lua_pop(L, 3);
}

}  // namespace chorale
