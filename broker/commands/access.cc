// ACL: there is one user, "default", who may do everything; what asks about it is answered, what
// would change it is refused. https://redis.io/docs/latest/commands/acl/

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "broker/access_log.h"
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

// Bits of randomness as hexadecimal digits, for a password.
void GenPass(CommandContext& ctx) {
  constexpr int64_t kDefaultBits = 256, kMaxBits = 4096, kBitsPerDigit = 4;
  if (ctx.args.size() > 3) {
    WriteSubcommandSyntaxError(ctx);
    return;
  }
  int64_t bits = kDefaultBits;
  if (ctx.args.size() == 3) {
    const auto wanted = ReadInteger(ctx, 2);
    if (!wanted) return;
    bits = *wanted;
  }
  if (bits <= 0 || bits > kMaxBits) {
    ctx.reply.Error(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
        "number up to 4096");
    return;
  }
  std::random_device device;
  std::string digits;
  for (; bits > 0; bits -= kBitsPerDigit) digits += "0123456789abcdef"[device() % 16];
  ctx.reply.Bulk(digits);
}

void WriteLogEntry(CommandContext& ctx, const AccessLog::Entry& entry) {
  ctx.reply.MapHeader(10);
  const auto text = [&](std::string_view name, std::string_view value) {
    ctx.reply.Bulk(name);
    ctx.reply.Bulk(value);
  };
  const auto number = [&](std::string_view name, int64_t value) {
    ctx.reply.Bulk(name);
    ctx.reply.Integer(value);
  };
  number("count", entry.count);
  text("reason", "auth");
  text("context", "toplevel");
  text("object", entry.object);
  text("username", entry.user);
  ctx.reply.Bulk("age-seconds");
  ctx.reply.Double(static_cast<double>(ctx.now_ms() - entry.updated_ms) / 1000);
  text("client-info", entry.client);
  number("entry-id", entry.id);
  number("timestamp-created", entry.created_ms);
  number("timestamp-last-updated", entry.updated_ms);
}

void Log(CommandContext& ctx) {
  constexpr int64_t kDefaultEntries = 10;
  if (ctx.args.size() > 3) {
    WriteSubcommandSyntaxError(ctx);
    return;
  }
  int64_t wanted = kDefaultEntries;
  if (ctx.args.size() == 3) {
    if (IsWord(ctx.arg(2), "RESET")) {
      ctx.server.access_log().Clear();
      ctx.reply.Ok();
      return;
    }
    const auto count = ReadInteger(ctx, 2);
    if (!count) return;
    wanted = std::max<int64_t>(0, *count);
  }
  const auto entries = ctx.server.access_log().Latest(static_cast<size_t>(wanted));
  ctx.reply.ArrayHeader(entries.size());
  for (const AccessLog::Entry& entry : entries) WriteLogEntry(ctx, entry);
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
    Row("genpass", -2, &GenPass, "Makes a password of random digits."),
    Row("getuser", 3, &Refuse, "Refused: there is one user.", kPlain | kAdmin),
    Row("help", 2, &Help, "Shows this text.", kLoading | kStale),
    Row("list", 2, &List, "Answers the one user's rules.", kPlain | kAdmin),
    Row("log", -2, &Log, "Answers or forgets the failed attempts to authenticate.",
        kPlain | kAdmin),
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
