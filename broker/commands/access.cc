// ACL: there is one user, "default", who may do everything; what asks about it is answered, what
// would change it is refused. https://redis.io/docs/latest/commands/acl/

#include <string>
#include <vector>

#include "broker/authentication.h"
#include "broker/command.h"
#include "broker/command_table.h"
#include "broker/commands/arguments.h"
#include "broker/commands/command_info.h"
#include "broker/commands/help.h"
#include "broker/server.h"

namespace chorale {
namespace {

void WhoAmI(CommandContext& ctx) { ctx.reply.Bulk(kDefaultUser); }

void Users(CommandContext& ctx) {
  ctx.reply.ArrayHeader(1);
  ctx.reply.Bulk(kDefaultUser);
}

void List(CommandContext& ctx) {
  // The password's digest is not shown.
  const bool password = ctx.server.config().has_password;
  ctx.reply.ArrayHeader(1);
  ctx.reply.Bulk(std::string("user default on ") + (password ? "" : "nopass ") + "~* &* +@all");
}

void Cat(CommandContext& ctx) {
  if (ctx.args.size() > 3) {
    WriteSubcommandSyntaxError(ctx);
    return;
  }
  std::vector<std::string> names;
  if (ctx.args.size() == 2) {
    names.assign(CategoryNames().begin(), CategoryNames().end());
  } else {
    const uint32_t category = CategoryByName(ctx.arg(2));
    if (category == 0) {
      ctx.reply.Error("ERR Unknown category '" + std::string(ctx.arg(2)) + "'");
      return;
    }
    for (const Command& command : AllRows()) {
      if ((CategoriesOf(command) & category) != 0) names.push_back(FullName(command));
    }
  }
  ctx.reply.ArrayHeader(names.size());
  for (const std::string& name : names) ctx.reply.Bulk(name);
}

void Refuse(CommandContext& ctx) {
  ctx.reply.Error(
      "ERR ACL users are not supported: there is the default user, whose password is the option "
      "requirepass");
}

constexpr uint32_t kPlain = kNoScript | kLoading | kStale;

constexpr Command Row(std::string_view name, int arity, Handler handler, std::string_view summary,
                      uint32_t flags = kPlain) {
  return {name, arity, flags, {}, kCatSlow, handler, "server", "6.0.0", summary};
}

constexpr Command kSubcommands[] = {
    Row("cat", -2, &Cat, "Lists categories, or the commands of one."),
    Row("deluser", -3, &Refuse, "Refused: there is one user.", kPlain | kAdmin),
    Row("getuser", 3, &Refuse, "Refused: there is one user.", kPlain | kAdmin),
    Row("help", 2, &Help, "Shows this text.", kLoading | kStale),
    Row("list", 2, &List, "Answers the one user's rules.", kPlain | kAdmin),
    Row("setuser", -3, &Refuse, "Refused: there is one user.", kPlain | kAdmin | kSecretArguments),
    Row("users", 2, &Users, "Answers the one user's name.", kPlain | kAdmin),
    Row("whoami", 2, &WhoAmI, "Answers the user of this connection."),
};

constexpr Command kCommands[] = {
    {"acl",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "server",
     "6.0.0",
     "A container for questions about users.",
     kSubcommands},
};

}  // namespace

std::span<const Command> AccessCommands() { return kCommands; }

}  // namespace chorale
