// The process as a whole: https://redis.io/docs/latest/commands/?group=server

#include "broker/server.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <string>
#include <thread>

#include "broker/client.h"
#include "broker/clock.h"
#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/help.h"
#include "broker/connection.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

void Time(CommandContext& ctx) {
  const int64_t now = UnixMicros();
  ctx.reply.ArrayHeader(2);
  ctx.reply.BulkInteger(now / 1000000);
  ctx.reply.BulkInteger(now % 1000000);
}

void Monitor(CommandContext& ctx) {
  if (!ctx.may_block()) {
    ctx.reply.Error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    return;
  }
  if (!ctx.client.info->monitor) ctx.server.monitors().Add(ctx.client.info);
  ctx.reply.Ok();
}

struct ShutdownOptions {
  bool save = false, no_save = false, force = false, now = false, abort = false;
};

void Shutdown(CommandContext& ctx) {
  ShutdownOptions options;
  for (const std::string_view arg : ctx.args.subspan(1)) {
    bool* target = IsWord(arg, "NOSAVE")  ? &options.no_save
                   : IsWord(arg, "SAVE")  ? &options.save
                   : IsWord(arg, "NOW")   ? &options.now
                   : IsWord(arg, "FORCE") ? &options.force
                   : IsWord(arg, "ABORT") ? &options.abort
                                          : nullptr;
    if (target == nullptr) {
      ctx.reply.Error(kSyntaxError);
      return;
    }
    *target = true;
  }
  if ((options.save && options.no_save) || (options.abort && ctx.args.size() > 2)) {
    ctx.reply.Error(kSyntaxError);
  } else if (options.abort) {
    ctx.reply.Error("ERR No shutdown in progress.");
  } else if (options.save && !options.force && ctx.server.journal() == nullptr) {
    ctx.reply.Error(
        "ERR Errors trying to SHUTDOWN: persistence is off, there is nothing to save to");
  } else {
    spdlog::info("SHUTDOWN was requested by client {} ({})", ctx.client.info->id,
                 ctx.client.info->address);
    ctx.client.connection.CloseAfterReply();
    ctx.server.RequestStop();
  }
}

// ---- DEBUG ----

void DebugHelp(CommandContext& ctx) {
  const std::string_view lines[] = {
      "DEBUG <subcommand> [argument ...]:", "SLEEP <seconds>",
      "    Holds up the thread that serves this client.", "SET-ACTIVE-EXPIRE <0|1>",
      "    Whether keys whose time is over are freed before somebody looks at them."};
  ctx.reply.ArrayHeader(std::size(lines));
  for (const std::string_view line : lines) ctx.reply.SimpleString(line);
}

void Debug(CommandContext& ctx) {
  if (ctx.args.size() == 2 && IsWord(ctx.arg(1), "HELP")) {
    DebugHelp(ctx);
  } else if (ctx.args.size() == 3 && IsWord(ctx.arg(1), "SLEEP")) {
    const double seconds = ParseDouble(ctx.arg(2)).value_or(0);
    if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    ctx.reply.Ok();
  } else if (ctx.args.size() == 3 && IsWord(ctx.arg(1), "SET-ACTIVE-EXPIRE")) {
    ctx.server.active_expiry = ctx.arg(2) != "0";
    ctx.reply.Ok();
  } else {
    WriteSubcommandSyntaxError(ctx);
  }
}

constexpr uint32_t kOperator = kAdmin | kNoScript;

constexpr Command kCommands[] = {
    {"debug",
     -2,
     kOperator | kLoading | kStale | kProtected,
     {},
     kCatSlow,
     &Debug,
     "server",
     "1.0.0",
     "What tests need; off unless enable-debug-command allows it."},
    {"monitor",
     1,
     kOperator | kLoading | kStale,
     {},
     kCatSlow,
     &Monitor,
     "server",
     "1.0.0",
     "Shows this client every command that the broker runs."},
    {"shutdown",
     -1,
     kOperator | kLoading | kStale | kNoMulti | kAllowBusy,
     {},
     kCatSlow,
     &Shutdown,
     "server",
     "1.0.0",
     "Stops the broker."},
    {"time",
     1,
     kLoading | kStale | kFast,
     {},
     kCatFast,
     &Time,
     "server",
     "2.6.0",
     "Answers the Unix time in seconds and microseconds."},
};

}  // namespace

std::span<const Command> ServerCommands() { return kCommands; }

}  // namespace chorale
