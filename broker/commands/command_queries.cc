// COMMAND and its subcommands, answered from the rows.
// https://redis.io/docs/latest/commands/command/

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "broker/command.h"
#include "broker/command_table.h"
#include "broker/commands/arguments.h"
#include "broker/commands/command_info.h"
#include "broker/commands/help.h"
#include "broker/commands/key_access.h"
#include "protocol/numbers.h"
#include "storage/glob.h"

namespace chorale {
namespace {

// "get" or "config|get", in any letter case.
const Command* FindByFullName(std::string_view name) {
  const size_t bar = name.find('|');
  const Command* command = FindCommandByName(name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  const std::string_view words[] = {name.substr(0, bar), name.substr(bar + 1)};
  command = FindCommand(words);
  return command->is_subcommand() ? command : nullptr;
}

void All(CommandContext& ctx) {
  if (ctx.args.size() > 1) {
    ctx.reply.Error("ERR unknown subcommand '" + std::string(ctx.arg(1).substr(0, 128)) +
                    "'. Try COMMAND HELP.");
    return;
  }
  ctx.reply.ArrayHeader(AllCommands().size());
  for (const Command* command : AllCommands()) WriteCommandInfo(*command, ctx.reply);
}

void Count(CommandContext& ctx) { ctx.reply.Integer(static_cast<int64_t>(AllCommands().size())); }

void Info(CommandContext& ctx) {
  if (ctx.args.size() == 2) {
    ctx.reply.ArrayHeader(AllCommands().size());
    for (const Command* command : AllCommands()) WriteCommandInfo(*command, ctx.reply);
    return;
  }
  ctx.reply.ArrayHeader(ctx.args.size() - 2);
  for (const std::string_view name : ctx.args.subspan(2)) {
    const Command* command = FindByFullName(name);
    if (command == nullptr) {
      ctx.reply.Null();
    } else {
      WriteCommandInfo(*command, ctx.reply);
    }
  }
}

void Docs(CommandContext& ctx) {
  std::vector<const Command*> wanted = AllCommands();
  if (ctx.args.size() > 2) {
    wanted.clear();
    for (const std::string_view name : ctx.args.subspan(2)) {
      if (const Command* command = FindByFullName(name)) wanted.push_back(command);
    }
  }
  ctx.reply.MapHeader(wanted.size());
  for (const Command* command : wanted) {
    ctx.reply.Bulk(FullName(*command));
    WriteCommandDocs(*command, ctx.reply);
  }
}

void WriteNames(CommandContext& ctx, const std::vector<std::string>& names) {
  ctx.reply.ArrayHeader(names.size());
  for (const std::string& name : names) ctx.reply.Bulk(name);
}

void List(CommandContext& ctx) {
  const bool filtered = ctx.args.size() == 5 && IsWord(ctx.arg(2), "FILTERBY");
  const bool by_module = filtered && IsWord(ctx.arg(3), "MODULE");
  const bool by_category = filtered && IsWord(ctx.arg(3), "ACLCAT");
  const bool by_pattern = filtered && IsWord(ctx.arg(3), "PATTERN");
  if (ctx.args.size() > 2 && !by_module && !by_category && !by_pattern) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  std::vector<std::string> names;
  const uint32_t category = by_category ? CategoryByName(ctx.arg(4)) : 0;
  for (const Command& command : AllRows()) {
    std::string name = FullName(command);
    if (by_module || (by_category && (CategoriesOf(command) & category) == 0)) continue;
    if (by_pattern && !GlobMatchesIgnoringCase(ctx.arg(4), name)) continue;
    names.push_back(std::move(name));
  }
  WriteNames(ctx, names);
}

// Whether a command that takes a number of keys was given one that fits.
bool CountIsGood(const Command& command, Arguments call) {
  const auto at = static_cast<size_t>(command.keys.count_at);
  if (at == 0) return true;
  const auto count = at < call.size() ? ParseInt64(call[at]) : std::nullopt;
  return count && *count > 0 && static_cast<uint64_t>(*count) < call.size() - at;
}

// The keys of the call that begins at the third argument; nullopt when it wrote an error.
std::optional<KeyPositions> KeysOfCall(CommandContext& ctx, const Command*& command) {
  const Arguments call = ctx.args.subspan(2);
  command = FindCommand(call);
  if (command == nullptr || command->handler == nullptr) {
    ctx.reply.Error("ERR Invalid command specified");
    return std::nullopt;
  }
  if (command->keys.first == 0 && command->keys.count_at == 0) {
    ctx.reply.Error("ERR The command has no key arguments");
    return std::nullopt;
  }
  if (!ArityMatches(*command, call.size())) {
    ctx.reply.Error("ERR Invalid number of arguments specified for command");
    return std::nullopt;
  }
  KeyPositions positions;
  if (CountIsGood(*command, call)) positions = FindKeys(*command, call);
  // A script may have no keys.
  const bool needs_keys = (command->categories & kCatScripting) == 0;
  if (positions.empty() && needs_keys) {
    ctx.reply.Error("ERR Invalid arguments specified for command");
    return std::nullopt;
  }
  return positions;
}

void GetKeys(CommandContext& ctx) {
  const Command* command = nullptr;
  const auto positions = KeysOfCall(ctx, command);
  if (!positions) return;
  ctx.reply.ArrayHeader(positions->size());
  for (const int position : *positions) ctx.reply.Bulk(ctx.arg(2 + static_cast<size_t>(position)));
}

void GetKeysAndFlags(CommandContext& ctx) {
  const Command* command = nullptr;
  const auto positions = KeysOfCall(ctx, command);
  if (!positions) return;
  const KeyAccess access = KeyAccessOf(*command, ctx.args.subspan(2));
  ctx.reply.ArrayHeader(positions->size());
  for (size_t i = 0; i < positions->size(); ++i) {
    ctx.reply.ArrayHeader(2);
    ctx.reply.Bulk(ctx.arg(2 + static_cast<size_t>((*positions)[i])));
    WriteWordSet(i == 0 ? access.first : access.rest, ctx.reply);
  }
}

constexpr uint32_t kPlain = kLoading | kStale;

constexpr Command Row(std::string_view name, int arity, Handler handler, std::string_view since,
                      std::string_view summary) {
  return {name, arity, kPlain, {}, kCatSlow | kCatConnection, handler, "server", since, summary};
}

constexpr Command kSubcommands[] = {
    Row("count", 2, &Count, "2.8.13", "Counts the commands."),
    Row("docs", -2, &Docs, "7.0.0", "Describes commands for people, all or those named."),
    Row("getkeys", -4, &GetKeys, "2.8.13", "Answers which arguments of a call are keys."),
    Row("getkeysandflags", -4, &GetKeysAndFlags, "7.0.0",
        "Answers a call's keys and what the command does to each."),
    Row("help", 2, &Help, "5.0.0", "Shows this text."),
    Row("info", -2, &Info, "2.8.13", "Describes commands for programs, all or those named."),
    Row("list", -2, &List, "7.0.0",
        "Lists names, all or those that pass FILTERBY MODULE, ACLCAT or PATTERN."),
};

constexpr Command kCommands[] = {
    {"command",
     -1,
     kPlain,
     {},
     kCatSlow | kCatConnection,
     &All,
     "server",
     "2.8.13",
     "Describes all commands for programs.",
     kSubcommands},
};

}  // namespace

std::span<const Command> IntrospectionCommands() { return kCommands; }

}  // namespace chorale
