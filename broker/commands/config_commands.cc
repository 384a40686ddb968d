// CONFIG: https://redis.io/docs/latest/commands/config/

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/command.h"
#include "broker/commands/errors.h"
#include "broker/commands/help.h"
#include "broker/io_thread.h"
#include "broker/log.h"
#include "broker/pending_answer.h"
#include "broker/server.h"

namespace chorale {
namespace {

void ReplyStatus(CommandContext& ctx, const absl::Status& status) {
  if (status.ok()) {
    ctx.reply.Ok();
  } else {
    ctx.reply.Error("ERR " + std::string(status.message()));
  }
}

void Get(CommandContext& ctx) {
  const auto patterns = ctx.args.subspan(2);
  const auto found = ctx.server.config().Get({patterns.begin(), patterns.end()});
  ctx.reply.MapHeader(found.size());
  for (const auto& [name, value] : found) {
    ctx.reply.Bulk(name);
    ctx.reply.Bulk(value);
  }
}

void Set(CommandContext& ctx) {
  if (ctx.args.size() % 2 != 0) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (size_t i = 2; i < ctx.args.size(); i += 2) pairs.emplace_back(ctx.arg(i), ctx.arg(i + 1));
  const absl::Status status = ctx.server.config().Set(pairs);
  SetLogLevel(ctx.server.config().loglevel);
  ctx.thread.ReadClock();  // so that the options hold for the next command
  ReplyStatus(ctx, status);
}

void ResetStat(CommandContext& ctx) {
  if (!ctx.may_block()) {
    ctx.server.ResetStatistics([] {});
    ctx.reply.Ok();
    return;
  }
  const auto answer = PendingAnswer::Await(ctx, 0, {});
  ctx.server.ResetStatistics([answer] { PendingAnswer::Give(answer, "+OK\r\n"); });
}

void Rewrite(CommandContext& ctx) { ReplyStatus(ctx, ctx.server.config().Rewrite()); }

constexpr Command Row(std::string_view name, int arity, Handler handler, std::string_view summary,
                      uint32_t flags = kAdmin | kNoScript | kLoading | kStale) {
  return {name, arity, flags, {}, kCatSlow, handler, "server", "2.0.0", summary};
}

constexpr Command kSubcommands[] = {
    Row("get", -3, &Get, "Answers the options whose names match the patterns."),
    Row("help", 2, &Help, "Shows this text.", kLoading | kStale),
    Row("resetstat", 2, &ResetStat, "Sets the counters of INFO to zero."),
    Row("rewrite", 2, &Rewrite, "Writes the options into the configuration file."),
    Row("set", -4, &Set, "Changes options, all of those named or none.",
        kAdmin | kNoScript | kLoading | kStale | kSecretArguments),
};

constexpr Command kCommands[] = {
    {"config",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "server",
     "2.0.0",
     "A container for the options.",
     kSubcommands},
};

}  // namespace

std::span<const Command> ConfigCommands() { return kCommands; }

}  // namespace chorale
