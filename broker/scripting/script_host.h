// What a running script sees of the broker. The interpreter calls it on the thread that runs the
// script, and never after Run() returned.

#pragma once

#include <span>
#include <string_view>

#include "protocol/reply_writer.h"

namespace chorale {

class ScriptHost {
 public:
  virtual ~ScriptHost() = default;

  // Runs one command for redis.call or redis.pcall and writes exactly one reply; a command that
  // scripts may not run is answered by an error reply. `args` is not empty. The version of `reply`
  // is the one that the script chose with redis.setresp.
  virtual void Call(std::span<const std::string_view> args, ReplyWriter& reply) = 0;

  // redis.acl_check_cmd.
  enum class Access { kAllowed, kDenied, kUnknownCommand };
  virtual Access CheckAccess(std::span<const std::string_view> args) = 0;

  // redis.log: debug, verbose, notice, warning.
  enum class LogLevel { kDebug, kVerbose, kNotice, kWarning };
  virtual void Log(LogLevel level, std::string_view message) = 0;

  // Asked every LuaInterpreter::kTickInstructions: false ends the script as SCRIPT KILL does.
  virtual bool MayContinue() = 0;
};

}  // namespace chorale
