#include "broker/scripting/redis_api.h"

#include "broker/scripting/lua_conversion.h"
#include "broker/scripting/lua_runtime.h"
#include "broker/scripting/sha1.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

// What clients compare: the surface that is followed, see INFO's redis_version.
constexpr const char kRedisVersion[] = "7.4.0";
constexpr int kRedisVersionNumber = 0x00070400;

enum Replication { kReplNone = 0, kReplAof = 1, kReplReplica = 2, kReplAll = 3 };

int Raise(lua_State* L, std::string_view text) {
  PushErrorTable(L, text);
  return lua_error(L);
}

// A number in the form that commands take: "-0" is 0.
void FormatNumber(double value, std::string* out) {
  char buffer[kDoubleTextSize];
  out->assign(value == 0 ? std::string_view("0") : FormatDouble(value, buffer));
}

// Collects the arguments; false, with an error table pushed, if they are not a command.
bool CollectArguments(lua_State* L, LuaRuntime& runtime) {
  const int count = lua_gettop(L);
  if (count == 0) {
    PushErrorTable(L, "Please specify at least one argument for this redis lib call");
    return false;
  }
  runtime.call_arguments.clear();
  for (int i = 1; i <= count; ++i) {
    switch (lua_type(L, i)) {
      case LUA_TNUMBER:
        FormatNumber(lua_tonumber(L, i), &runtime.number_text);
        lua_pushlstring(L, runtime.number_text.data(), runtime.number_text.size());
        lua_replace(L, i);
        [[fallthrough]];
      case LUA_TSTRING: {
        size_t size;
        const char* text = lua_tolstring(L, i, &size);
        runtime.call_arguments.emplace_back(text, size);
        break;
      }
      default:
        PushErrorTable(L, "Lua redis lib command arguments must be strings or integers");
        return false;
    }
  }
  return true;
}

// Pushes the reply, or the error's table. True if it is an error.
bool RunCommand(lua_State* L) {
  LuaRuntime& runtime = RuntimeOf(L);
  luaL_checkstack(L, 4, "too many arguments");
  if (!CollectArguments(L, runtime)) return true;
  runtime.call_reply.clear();
  ReplyWriter writer(&runtime.call_reply, runtime.protocol);
  runtime.host->Call(runtime.call_arguments, writer);
  const std::string_view reply = runtime.call_reply;
  PushReply(L, reply);
  if (reply.empty() || reply[0] != '-') return false;
  lua_pushboolean(L, 1);  // the command has counted its error itself
  lua_setfield(L, -2, "ignore_error_stats_update");
  return true;
}

int RedisCall(lua_State* L) { return RunCommand(L) ? lua_error(L) : 1; }

int RedisPcall(lua_State* L) {
  RunCommand(L);
  return 1;
}

int CheckAccess(lua_State* L) {
  LuaRuntime& runtime = RuntimeOf(L);
  luaL_checkstack(L, 4, "too many arguments");
  if (!CollectArguments(L, runtime)) return lua_error(L);
  const auto access = runtime.host->CheckAccess(runtime.call_arguments);
  if (access == ScriptHost::Access::kUnknownCommand) {
    return Raise(L, "Invalid command passed to redis.acl_check_cmd()");
  }
  lua_pushboolean(L, access == ScriptHost::Access::kAllowed ? 1 : 0);
  return 1;
}

bool HasOneString(lua_State* L) { return lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING; }

int ErrorReply(lua_State* L) {
  if (!HasOneString(L)) {
    PushErrorTable(L, "wrong number or type of arguments");
    return 1;
  }
  if (lua_tostring(L, 1)[0] != '-') {
    lua_pushliteral(L, "-");
    lua_insert(L, 1);
    lua_concat(L, 2);
  }
  size_t size;
  const char* text = lua_tolstring(L, 1, &size);
  PushErrorTable(L, {text, size});
  return 1;
}

int StatusReply(lua_State* L) {
  if (!HasOneString(L)) {
    PushErrorTable(L, "wrong number or type of arguments");
    return 1;
  }
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "ok");
  return 1;
}

int Sha1OfString(lua_State* L) {
  if (lua_gettop(L) != 1) return Raise(L, "wrong number of arguments");
  size_t size = 0;
  const char* text = lua_tolstring(L, 1, &size);
  const Sha1Text digest = Sha1({text != nullptr ? text : "", size});
  lua_pushlstring(L, digest.data(), digest.size());
  return 1;
}

int Log(lua_State* L) {
  const int count = lua_gettop(L);
  if (count < 2) return Raise(L, "redis.log() requires two arguments or more.");
  if (lua_isnumber(L, 1) == 0) return Raise(L, "First argument must be a number (log level).");
  const double number = lua_tonumber(L, 1);
  if (!(number > -1 && number < 4)) return Raise(L, "Invalid debug level.");
  LuaRuntime& runtime = RuntimeOf(L);
  std::string& message = runtime.scratch;
  message.clear();
  for (int i = 2; i <= count; ++i) {
    size_t size = 0;
    const char* part = lua_tolstring(L, i, &size);
    if (part == nullptr) continue;
    if (!message.empty()) message.push_back(' ');
    message.append(part, size);
  }
  runtime.host->Log(static_cast<ScriptHost::LogLevel>(static_cast<int>(number)), message);
  return 0;
}

int SetProtocol(lua_State* L) {
  if (lua_gettop(L) != 1) return Raise(L, "redis.setresp() requires one argument.");
  const lua_Integer version = lua_tointeger(L, 1);
  if (version != 2 && version != 3) return Raise(L, "RESP version must be 2 or 3.");
  RuntimeOf(L).protocol = static_cast<int>(version);
  return 0;
}

// Replication of scripts is not controlled by them: accepted, and without effect.
int SetReplication(lua_State* L) {
  if (lua_gettop(L) != 1) return Raise(L, "redis.set_repl() requires two arguments.");
  const lua_Integer flags = lua_tointeger(L, 1);
  if ((flags & ~static_cast<lua_Integer>(kReplAll)) != 0) {
    return Raise(L,
                 "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  return 0;
}

int ReplicateCommands(lua_State* L) {
  lua_pushboolean(L, 1);
  return 1;
}

// There is no debugger: as in a Redis whose script is not being debugged.
int Breakpoint(lua_State* L) {
  lua_pushboolean(L, 0);
  return 1;
}

int Debug(lua_State*) { return 0; }

constexpr luaL_Reg kFunctions[] = {
    {"call", RedisCall},
    {"pcall", RedisPcall},
    {"acl_check_cmd", CheckAccess},
    {"error_reply", ErrorReply},
    {"status_reply", StatusReply},
    {"sha1hex", Sha1OfString},
    {"log", Log},
    {"setresp", SetProtocol},
    {"set_repl", SetReplication},
    {"replicate_commands", ReplicateCommands},
    {"breakpoint", Breakpoint},
    {"debug", Debug},
};

constexpr struct {
  const char* name;
  int value;
} kConstants[] = {
    {"LOG_DEBUG", static_cast<int>(ScriptHost::LogLevel::kDebug)},
    {"LOG_VERBOSE", static_cast<int>(ScriptHost::LogLevel::kVerbose)},
    {"LOG_NOTICE", static_cast<int>(ScriptHost::LogLevel::kNotice)},
    {"LOG_WARNING", static_cast<int>(ScriptHost::LogLevel::kWarning)},
    {"REPL_NONE", kReplNone},
    {"REPL_AOF", kReplAof},
    {"REPL_REPLICA", kReplReplica},
    {"REPL_SLAVE", kReplReplica},
    {"REPL_ALL", kReplAll},
    {"REDIS_VERSION_NUM", kRedisVersionNumber},
};

}  // namespace

void PushRedisApi(lua_State* L) {
  lua_newtable(L);
  for (const auto& [name, function] : kFunctions) {
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, name);
  }
  for (const auto& [name, value] : kConstants) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
  }
  lua_pushstring(L, kRedisVersion);
  lua_setfield(L, -2, "REDIS_VERSION");
}

int RaiseKilled(lua_State* L) { return Raise(L, kKilledError); }

void PushErrorTable(lua_State* L, std::string_view text) {
  bool has_code = false;
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    has_code = text.find(' ') != std::string_view::npos;
  }
  lua_createtable(L, 0, 4);
  lua_pushstring(L, has_code ? "" : "ERR ");
  lua_pushlstring(L, text.data(), text.size());
  lua_concat(L, 2);
  lua_setfield(L, -2, "err");
}

}  // namespace chorale
