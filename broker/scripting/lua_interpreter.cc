#include "broker/scripting/lua_interpreter.h"

#include <lua.hpp>
#include <stdexcept>

#include "broker/scripting/lua_base.h"
#include "broker/scripting/lua_conversion.h"
#include "broker/scripting/lua_runtime.h"
#include "broker/scripting/lua_sandbox.h"
#include "broker/scripting/redis_api.h"

namespace chorale {
namespace {

constexpr const char kChunkName[] = "@user_script";

// Garbage is collected a step further every so many runs; Lua itself collects while a script runs.
constexpr uint64_t kRunsPerCollection = 50;
constexpr int kCollectionStepKilobytes = 50;
// Buffers that one large reply made grow are given back.
constexpr size_t kKeptBufferBytes = 64 << 10;

struct RunRequest {
  const Script& script;
  int function;
  std::span<const std::string_view> keys;
  std::span<const std::string_view> arguments;
  ReplyWriter& reply;
};

struct CompileRequest {
  const Script& script;
  int function = LUA_NOREF;
};

void Tick(lua_State* L, lua_Debug*) {
  LuaRuntime& runtime = RuntimeOf(L);
  if (!runtime.killed && runtime.host->MayContinue()) return;
  runtime.killed = true;
  // From here on every line raises, in the main program as well as in a coroutine.
  lua_sethook(L, Tick, LUA_MASKLINE | LUA_MASKCOUNT, 1);
  lua_sethook(runtime.state, Tick, LUA_MASKLINE | LUA_MASKCOUNT, 1);
  RaiseKilled(L);
}

// Turns what was raised into a table that tells where. Runs where the error was raised: level 1 is
// the function that raised it, and if that is a C function, level 2 the script's line that called
// it.
int HandleError(lua_State* L) {
  lua_settop(L, 1);
  lua_Debug where;
  bool known = lua_getstack(L, 1, &where) != 0 && lua_getinfo(L, "Sl", &where) != 0;
  if (known && where.what[0] == 'C') {
    known = lua_getstack(L, 2, &where) != 0 && lua_getinfo(L, "Sl", &where) != 0;
  }
  if (lua_type(L, 1) != LUA_TTABLE) {
    const char* text = lua_tostring(L, 1);
    if (text == nullptr)
      text =
          lua_isboolean(L, 1) ? (lua_toboolean(L, 1) != 0 ? "true" : "false") : luaL_typename(L, 1);
    lua_newtable(L);
    lua_pushfstring(L, "ERR %s", text);
    lua_setfield(L, -2, "err");
    lua_replace(L, 1);
  } else if (PushProtected(L, 1)) {
    lua_settop(L, 1);
    return 1;
  }
  if (!known) return 1;
  lua_pushliteral(L, "source");
  lua_pushstring(L, where.source);
  lua_rawset(L, 1);
  lua_pushliteral(L, "line");
  lua_pushinteger(L, where.currentline);
  lua_rawset(L, 1);
  return 1;
}

int CompileProtected(lua_State* L) {
  auto& request = *static_cast<CompileRequest*>(lua_touserdata(L, 1));
  const std::string_view code = request.script.code();
  if (LoadText(L, code.data(), code.size(), kChunkName) != 0) {
    lua_pushfstring(L, "Error compiling script (new function): %s", lua_tostring(L, -1));
    return lua_error(L);
  }
  request.function = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

void SetList(lua_State* L, const char* name, std::span<const std::string_view> values) {
  lua_createtable(L, static_cast<int>(values.size()), 0);
  for (size_t i = 0; i < values.size(); ++i) {
    lua_pushlstring(L, values[i].data(), values[i].size());
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  lua_setfield(L, -2, name);
}

// Reads a field without asking metatables; null unless it is a string or a number. The text stays
// valid: the field's value is left on the stack.
const char* PushRawField(lua_State* L, int table, const char* name) {
  lua_pushstring(L, name);
  lua_rawget(L, table);
  return lua_tostring(L, -1);
}

// Writes the reply for a failure of Lua itself, such as too little memory: the top of the stack is
// its text. Raises nothing.
void WriteFailure(lua_State* L, const Script& script, ReplyWriter& reply) {
  const char* message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "execution failure";
  std::string& text = RuntimeOf(L).scratch;
  text.assign("ERR Error running script ").append(script.sha).append(", ").append(message);
  reply.Error(text);
}

// Writes the reply for the error on top of the stack.
void WriteError(lua_State* L, const Script& script, ReplyWriter& reply) {
  const int error = lua_gettop(L);
  if (!lua_istable(L, error)) {
    WriteFailure(L, script, reply);
    return;
  }
  std::string& text = RuntimeOf(L).scratch;
  const char* message = PushRawField(L, error, "err");
  text.assign(message != nullptr ? message : "ERR unknown error");
  const char* source = PushRawField(L, error, "source");
  const char* line = PushRawField(L, error, "line");
  if (source != nullptr && line != nullptr) {
    text.append(" script: ").append(script.sha).append(", on ");
    text.append(source).append(":").append(line).append(".");
  }
  reply.Error(text);
}

int RunProtected(lua_State* L) {
  auto& request = *static_cast<RunRequest*>(lua_touserdata(L, 1));
  LuaRuntime& runtime = RuntimeOf(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, runtime.globals);
  SetList(L, "KEYS", request.keys);
  SetList(L, "ARGV", request.arguments);

  lua_rawgeti(L, LUA_REGISTRYINDEX, runtime.error_handler);
  lua_rawgeti(L, LUA_REGISTRYINDEX, request.function);
  lua_sethook(L, Tick, LUA_MASKCOUNT, LuaInterpreter::kTickInstructions);
  const int failed = lua_pcall(L, 0, 1, -2);
  lua_sethook(L, nullptr, 0, 0);
  if (failed != 0) {
    WriteError(L, request.script, request.reply);
  } else if (runtime.killed) {
    request.reply.Error(kKilledError.substr(1));
  } else {
    WriteValue(L, runtime.protocol, request.reply);
  }
  return 0;
}

int InitializeProtected(lua_State* L) {
  LuaRuntime& runtime = RuntimeOf(L);
  InstallSandbox(L);
  const auto keep = [L](lua_CFunction function) {
    lua_pushcfunction(L, function);
    return luaL_ref(L, LUA_REGISTRYINDEX);
  };
  runtime.run_function = keep(RunProtected);
  runtime.compile_function = keep(CompileProtected);
  runtime.error_handler = keep(HandleError);
  return 0;
}

std::unique_ptr<LuaRuntime> NewRuntime(size_t memory_limit, std::atomic<size_t>* memory_used) {
  auto runtime = std::make_unique<LuaRuntime>(memory_limit, memory_used);
  if (lua_cpcall(runtime->state, InitializeProtected, nullptr) != 0) {
    throw std::runtime_error(lua_tostring(runtime->state, -1));
  }
  return runtime;
}

void ShrinkBuffer(std::string* buffer) {
  if (buffer->capacity() > kKeptBufferBytes) *buffer = std::string();
}

}  // namespace

LuaInterpreter::LuaInterpreter(const LuaOptions& options)
    : options_(options), runtime_(NewRuntime(options.memory_limit, &memory_used_)) {}

LuaInterpreter::~LuaInterpreter() = default;

void LuaInterpreter::Reset() {
  compiled_.clear();
  runtime_.reset();
  runtime_ = NewRuntime(options_.memory_limit, &memory_used_);
}

std::optional<std::string> LuaInterpreter::Compile(const Script& script) {
  if (compiled_.contains(script.sha)) return std::nullopt;
  lua_State* const L = runtime_->state;
  if (compiled_.size() >= options_.compiled_scripts) {
    for (const auto& [sha, function] : compiled_) luaL_unref(L, LUA_REGISTRYINDEX, function);
    compiled_.clear();
  }
  CompileRequest request{script};
  lua_rawgeti(L, LUA_REGISTRYINDEX, runtime_->compile_function);
  lua_pushlightuserdata(L, &request);
  if (lua_pcall(L, 1, 0, 0) != 0) {
    const char* text = lua_tostring(L, -1);
    std::string error = text != nullptr ? text : "Error compiling script";
    lua_settop(L, 0);
    return error;
  }
  compiled_.emplace(script.sha, request.function);
  return std::nullopt;
}

void LuaInterpreter::Run(const Script& script, std::span<const std::string_view> keys,
                         std::span<const std::string_view> arguments, ScriptHost& host,
                         ReplyWriter& reply) {
  if (const auto error = Compile(script)) {
    reply.Error("ERR " + *error);
    return;
  }
  LuaRuntime& runtime = *runtime_;
  lua_State* const L = runtime.state;
  runtime.host = &host;
  runtime.protocol = 2;
  runtime.killed = false;
  RunRequest request{script, compiled_.at(script.sha), keys, arguments, reply};
  const size_t start = reply.out().size();
  lua_rawgeti(L, LUA_REGISTRYINDEX, runtime.run_function);
  lua_pushlightuserdata(L, &request);
  if (lua_pcall(L, 1, 0, 0) != 0) {
    reply.out().resize(start);
    WriteFailure(L, script, reply);
  }
  lua_settop(L, 0);
  runtime.host = nullptr;
  CollectGarbage();
}

void LuaInterpreter::CollectGarbage() {
  lua_State* const L = runtime_->state;
  if (memory_used() > options_.memory_limit / 2) {
    lua_gc(L, LUA_GCCOLLECT, 0);
  } else if (++runs_ % kRunsPerCollection == 0) {
    lua_gc(L, LUA_GCSTEP, kCollectionStepKilobytes);
  }
  ShrinkBuffer(&runtime_->call_reply);
  ShrinkBuffer(&runtime_->scratch);
  ShrinkBuffer(&runtime_->number_text);
}

}  // namespace chorale
