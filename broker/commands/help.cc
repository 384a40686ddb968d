#include "broker/commands/help.h"

#include <string>

#include "absl/strings/ascii.h"
#include "broker/command_table.h"

namespace chorale {
namespace {

std::string Upper(std::string_view name) {
  return absl::AsciiStrToUpper(absl::string_view(name.data(), name.size()));
}

}  // namespace

void Help(CommandContext& ctx) {
  const Command* container = FindCommandByName(ctx.command.parent);
  ctx.reply.ArrayHeader(1 + 2 * container->subcommands.size());
  ctx.reply.SimpleString(Upper(container->name) + " <subcommand> [argument ...]:");
  for (const Command& subcommand : container->subcommands) {
    ctx.reply.SimpleString(Upper(subcommand.name));
    ctx.reply.SimpleString("    " + std::string(subcommand.summary));
  }
}

void WriteSubcommandSyntaxError(CommandContext& ctx) {
  ctx.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                  std::string(ctx.arg(1).substr(0, 128)) + "'. Try " +
                  Upper(ctx.command.parent.empty() ? ctx.command.name : ctx.command.parent) +
                  " HELP.");
}

}  // namespace chorale
