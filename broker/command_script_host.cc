#include "broker/command_script_host.h"

#include <spdlog/spdlog.h>

#include "broker/clock.h"
#include "broker/command_table.h"
#include "broker/dispatch.h"
#include "broker/io_thread.h"
#include "broker/server.h"

namespace chorale {
namespace {

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::debug,
                                                 spdlog::level::info, spdlog::level::warn};

}  // namespace

CommandScriptHost::CommandScriptHost(CommandContext& context, Rules rules, RunningScript* running)
    : context_(context),
      rules_(rules),
      running_(running),
      out_of_memory_(context.server.OutOfMemory()),
      began_ns_(MonotonicNanos()),
      db_(context.db) {
  if (running_ != nullptr) running_->Begin();
}

CommandScriptHost::~CommandScriptHost() {
  if (running_ != nullptr) running_->End();
  if (busy_) context_.server.set_script_busy(false);
}

std::string_view CommandScriptHost::Refusal(const Command* command, Arguments args) {
  if (command == nullptr || command->handler == nullptr) {
    return "ERR Unknown Redis command called from script";
  }
  if (!ArityMatches(*command, args.size())) {
    return "ERR Wrong number of args calling Redis command from script";
  }
  if (command->has(kNoScript)) return "ERR This Redis command is not allowed from script";
  if (rules_.read_only && (command->has(kWrite) || command->has(kMayWrite))) {
    return "ERR Write commands are not allowed from read-only scripts.";
  }
  const Journal* const journal = context_.server.journal();
  if (command->has(kWrite) && !wrote_ && journal != nullptr && journal->failed()) {
    disk_error_ = DiskError(context_.server);
    return disk_error_;
  }
  if (command->has(kDenyOom) && out_of_memory_ && !rules_.allow_oom && !wrote_) {
    return "OOM command not allowed when used memory > 'maxmemory'.";
  }
  return {};
}

void CommandScriptHost::Call(std::span<const std::string_view> args, ReplyWriter& reply) {
  const Command* command = FindCommand(args);
  const std::string_view refusal = Refusal(command, args);
  if (!refusal.empty()) {
    reply.Error(refusal);
    return;
  }
  if (command->has(kWrite)) {
    if (running_ != nullptr && !wrote_ && !running_->StartWriting()) {
      reply.Error("ERR Script killed by user with SCRIPT KILL...");
      return;
    }
    wrote_ = true;
  }
  CommandContext inner{context_.server,
                       context_.thread,
                       context_.client,
                       *command,
                       args,
                       context_.keys,
                       reply,
                       db_,
                       CommandContext::Origin::kScript};
  chorale::Call(inner);
}

ScriptHost::Access CommandScriptHost::CheckAccess(std::span<const std::string_view> args) {
  const Command* command = FindCommand(args);
  return command == nullptr || command->handler == nullptr ? Access::kUnknownCommand
                                                           : Access::kAllowed;
}

void CommandScriptHost::Log(LogLevel level, std::string_view message) {
  spdlog::log(kLevels[static_cast<int>(level)], "script: {}", message);
}

bool CommandScriptHost::MayContinue() {
  Server& server = context_.server;
  const auto stopped = [&] { return running_->kill_requested() || server.stopping(); };
  if (stopped()) return false;
  const int64_t limit_ms = server.config().lua_time_limit_ms.load(std::memory_order_relaxed);
  if (limit_ms == 0 || MonotonicNanos() - began_ns_ < limit_ms * 1'000'000) return true;
  if (!busy_) {
    busy_ = true;
    server.set_script_busy(true);
    spdlog::warn(
        "a script of client {} runs longer than lua-time-limit ({} ms); SCRIPT KILL ends it",
        context_.client.info->id, limit_ms);
  }
  context_.thread.PollOnce();
  return !stopped();
}

}  // namespace chorale
