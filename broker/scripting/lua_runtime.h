// What the C functions of one Lua state share. Internal to broker/scripting.
//
// Lua raises errors with longjmp, which runs no destructors: a function that may raise one holds no
// object with a destructor. Buffers that outlive a call into Lua are members of LuaRuntime instead.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <lua.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripting/script_host.h"

namespace chorale {

struct LuaRuntime {
  // `memory_used` belongs to the interpreter; this thread alone writes it.
  LuaRuntime(size_t memory_limit, std::atomic<size_t>* memory_used);
  ~LuaRuntime();
  LuaRuntime(const LuaRuntime&) = delete;
  LuaRuntime& operator=(const LuaRuntime&) = delete;

  const size_t memory_limit;
  std::atomic<size_t>& memory_used;
  lua_State* state = nullptr;

  // References into the registry of functions that are needed where memory may be short.
  int run_function = LUA_NOREF;
  int compile_function = LUA_NOREF;
  int error_handler = LUA_NOREF;
  int globals = LUA_NOREF;  // the table behind the read-only _G

  uint64_t random_state = 0;  // 48 bits

  // Of the script that runs.
  ScriptHost* host = nullptr;
  int protocol = 2;     // of replies of redis.call
  bool killed = false;  // every pcall gives up, so that the script cannot go on

  std::vector<std::string_view> call_arguments;
  std::string number_text;
  std::string call_reply;
  std::string scratch;
};

// The runtime that `state`, or the state it is a coroutine of, belongs to.
LuaRuntime& RuntimeOf(lua_State* state);

}  // namespace chorale
