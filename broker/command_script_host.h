// Runs a script's commands with the handlers and under the locks that the command EVAL has. One
// lives for one run of a script, on the thread of the client.

#pragma once

#include <cstdint>
#include <string>

#include "broker/command.h"
#include "broker/scripting/running_script.h"
#include "broker/scripting/script_host.h"

namespace chorale {

class CommandScriptHost final : public ScriptHost {
 public:
  struct Rules {
    bool read_only = false;  // refuses writes
    bool allow_oom = false;  // lets commands run that need memory when there is none left
  };

  // `running` is told of writes; nullptr for a native script, which nobody can kill.
  CommandScriptHost(CommandContext& context, Rules rules, RunningScript* running);
  ~CommandScriptHost() override;
  CommandScriptHost(const CommandScriptHost&) = delete;
  CommandScriptHost& operator=(const CommandScriptHost&) = delete;

  void Call(std::span<const std::string_view> args, ReplyWriter& reply) override;
  Access CheckAccess(std::span<const std::string_view> args) override;
  void Log(LogLevel level, std::string_view message) override;
  bool MayContinue() override;

 private:
  // Why the command may not run; empty if it may.
  std::string_view Refusal(const Command* command, Arguments args);

  CommandContext& context_;
  const Rules rules_;
  RunningScript* const running_;
  const bool out_of_memory_;
  const int64_t began_ns_;
  int db_;  // SELECT in a script does not change the client's database
  std::string disk_error_;
  bool wrote_ = false;
  bool busy_ = false;
};

}  // namespace chorale
