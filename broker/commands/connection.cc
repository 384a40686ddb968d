// The connection itself: https://redis.io/docs/latest/commands/?group=connection

#include "broker/connection.h"

#include <optional>
#include <string>
#include <utility>

#include "broker/authentication.h"
#include "broker/client.h"
#include "broker/client_end.h"
#include "broker/client_line.h"
#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/client_names.h"
#include "broker/io_thread.h"
#include "broker/pubsub.h"
#include "broker/server.h"
#include "broker/version.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

void Ping(CommandContext& ctx) {
  if (ctx.args.size() > 2) {
    ctx.reply.Error("ERR wrong number of arguments for 'ping' command");
    return;
  }
  const std::string_view text = ctx.args.size() == 2 ? ctx.arg(1) : std::string_view();
  if (ctx.client.protocol == 2 && ctx.client.subscribed()) {
    ctx.reply.ArrayHeader(2);
    ctx.reply.Bulk("pong");
    ctx.reply.Bulk(text);
  } else if (ctx.args.size() == 2) {
    ctx.reply.Bulk(text);
  } else {
    ctx.reply.Pong();
  }
}

void Echo(CommandContext& ctx) { ctx.reply.Bulk(ctx.arg(1)); }

void Quit(CommandContext& ctx) {
  ctx.reply.Ok();
  ctx.client.connection.CloseAfterReply();
}

// Refuses the client and remembers that it tried.
void RefusePassword(CommandContext& ctx, std::string_view user) {
  const Config& config = ctx.server.config();
  std::string line = ClientLine(*ctx.client.info, ctx.now_ms());
  line.pop_back();
  ctx.server.access_log().Add(ctx.arg(0), user, std::move(line), ctx.now_ms(),
                              static_cast<size_t>(config.acllog_max_len.load()));
  ctx.reply.Error(kWrongPass);
}

void Auth(CommandContext& ctx) {
  if (ctx.args.size() > 3) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  const Config& config = ctx.server.config();
  if (ctx.args.size() == 2 && !config.has_password) {
    ctx.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
    return;
  }
  const std::string_view user = ctx.args.size() == 3 ? ctx.arg(1) : kDefaultUser;
  if (!PasswordMatches(config, user, ctx.args.back())) {
    RefusePassword(ctx, user);
    return;
  }
  ctx.client.authenticated = true;
  ctx.reply.Ok();
}

struct HelloOptions {
  std::optional<int> protocol;
  std::optional<std::string_view> name;
  bool authenticate = false;
};

// Reads the arguments and checks the password; nothing has changed when it returns nullopt, having
// written the error.
std::optional<HelloOptions> ReadHello(CommandContext& ctx) {
  HelloOptions options;
  const size_t count = ctx.args.size();
  if (count > 1) {
    const auto version =
        ReadInteger(ctx, 1, "ERR Protocol version is not an integer or out of range");
    if (!version) return std::nullopt;
    if (*version != 2 && *version != 3) {
      ctx.reply.Error("NOPROTO unsupported protocol version");
      return std::nullopt;
    }
    options.protocol = static_cast<int>(*version);
  }
  for (size_t i = 2; i < count; ++i) {
    if (IsWord(ctx.arg(i), "AUTH") && i + 2 < count) {
      if (!PasswordMatches(ctx.server.config(), ctx.arg(i + 1), ctx.arg(i + 2))) {
        RefusePassword(ctx, ctx.arg(i + 1));
        return std::nullopt;
      }
      options.authenticate = true;
      i += 2;
    } else if (IsWord(ctx.arg(i), "SETNAME") && i + 1 < count) {
      options.name = ctx.arg(++i);
      if (!IsClientName(*options.name)) {
        ctx.reply.Error(kBadClientName);
        return std::nullopt;
      }
    } else {
      ctx.reply.Error("ERR Syntax error in HELLO option '" + std::string(ctx.arg(i)) + "'");
      return std::nullopt;
    }
  }
  return options;
}

void Hello(CommandContext& ctx) {
  const auto options = ReadHello(ctx);
  if (!options) return;
  Client& client = ctx.client;
  if (options->authenticate) client.authenticated = true;
  if (!client.authenticated && ctx.server.config().has_password) {
    ctx.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
    return;
  }
  if (options->name) client.info->set_name(*options->name);
  if (options->protocol) {
    if (*options->protocol < 3) LeaveMailboxes(client);
    // What was encoded for the protocol until now.
    ctx.thread.subscriptions().Settle();
    client.protocol = *options->protocol;
    client.info->protocol = client.protocol;
    ctx.reply.set_version(client.protocol);
  }
  ctx.reply.MapHeader(7);
  const auto pair = [&](std::string_view key, std::string_view value) {
    ctx.reply.Bulk(key);
    ctx.reply.Bulk(value);
  };
  pair("server", "redis");
  pair("version", kRedisVersion);
  ctx.reply.Bulk("proto");
  ctx.reply.Integer(client.protocol);
  ctx.reply.Bulk("id");
  ctx.reply.Integer(client.info->id);
  pair("mode", "standalone");
  pair("role", "master");
  ctx.reply.Bulk("modules");
  ctx.reply.ArrayHeader(0);
}

// Back to the state of a connection that was just accepted.
void Reset(CommandContext& ctx) {
  Client& client = ctx.client;
  ClientInfo& info = *client.info;
  ResetTransaction(client);
  UnsubscribeFromAll(client);
  LeaveMailboxes(client);
  if (info.monitor) ctx.server.monitors().Remove(info);
  client.authenticated = !ctx.server.config().has_password;
  client.reply_mode = ReplyMode::kOn;
  client.db = 0;
  info.db = 0;
  client.protocol = 2;
  info.protocol = 2;
  info.no_evict = info.no_touch = false;
  info.set_name({});
  ctx.reply.set_version(2);
  ctx.reply.SimpleString("RESET");
}

constexpr uint32_t kHandshake = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy;
constexpr uint32_t kCategories = kCatFast | kCatConnection;

constexpr Command Row(std::string_view name, int arity, uint32_t flags, Handler handler,
                      std::string_view since, std::string_view summary) {
  return {name, arity, flags, {}, kCategories, handler, "connection", since, summary};
}

constexpr Command kCommands[] = {
    Row("auth", -2, kHandshake | kSecretArguments, &Auth, "1.0.0",
        "Tells the broker the client's password."),
    Row("echo", 2, kLoading | kStale | kFast, &Echo, "1.0.0", "Answers the argument."),
    Row("hello", -1, kHandshake | kSecretArguments, &Hello, "6.0.0",
        "Chooses the protocol version, with authentication and a name in the same round trip."),
    Row("ping", -1, kFast | kInSubscribeMode, &Ping, "1.0.0", "Answers PONG, or the argument."),
    Row("quit", -1, kHandshake | kInTransaction | kInSubscribeMode, &Quit, "1.0.0",
        "Closes the connection once its replies are sent."),
    Row("reset", 1, kHandshake | kInTransaction | kInSubscribeMode, &Reset, "6.2.0",
        "Makes the connection as new: transaction, subscriptions, database, protocol, name."),
};

}  // namespace

std::span<const Command> ConnectionCommands() { return kCommands; }

}  // namespace chorale
