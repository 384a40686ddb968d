// CLIENT: https://redis.io/docs/latest/commands/client/

#include "broker/client.h"

#include <algorithm>
#include <string>

#include "broker/client_line.h"
#include "broker/clock.h"
#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/client_control.h"
#include "broker/commands/client_names.h"
#include "broker/commands/help.h"
#include "broker/connection.h"
#include "broker/server.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

void Id(CommandContext& ctx) { ctx.reply.Integer(ctx.client.info->id); }

void GetName(CommandContext& ctx) {
  const std::string name = ctx.client.info->name();
  if (name.empty()) {
    ctx.reply.Null();
  } else {
    ctx.reply.Bulk(name);
  }
}

void SetName(CommandContext& ctx) {
  if (!IsClientName(ctx.arg(2))) {
    ctx.reply.Error(kBadClientName);
    return;
  }
  ctx.client.info->set_name(ctx.arg(2));
  ctx.reply.Ok();
}

void SetInfo(CommandContext& ctx) {
  const bool is_name = IsWord(ctx.arg(2), "LIB-NAME");
  if (!is_name && !IsWord(ctx.arg(2), "LIB-VER")) {
    ctx.reply.Error("ERR Unrecognized option '" + std::string(ctx.arg(2)) + "'");
    return;
  }
  if (!IsClientName(ctx.arg(3))) {
    ctx.reply.Error(std::string("ERR ") + (is_name ? "lib-name" : "lib-ver") +
                    " cannot contain spaces, newlines or special characters.");
    return;
  }
  if (is_name) {
    ctx.client.info->set_library_name(ctx.arg(3));
  } else {
    ctx.client.info->set_library_version(ctx.arg(3));
  }
  ctx.reply.Ok();
}

void Info(CommandContext& ctx) {
  ctx.reply.Verbatim("txt", ClientLine(*ctx.client.info, UnixMillis()));
}

void ReplyLines(CommandContext& ctx, const std::vector<std::shared_ptr<ClientInfo>>& clients) {
  const int64_t now_ms = UnixMillis();
  std::string text;
  for (const auto& info : clients) {
    if (info != nullptr && !info->close_asap) text += ClientLine(*info, now_ms);
  }
  ctx.reply.Verbatim("txt", text);
}

void List(CommandContext& ctx) {
  const size_t count = ctx.args.size();
  if (count == 2) {
    ReplyLines(ctx, ctx.server.clients().All());
  } else if (count == 4 && IsWord(ctx.arg(2), "TYPE")) {
    const auto type = ParseClientType(ctx.arg(3));
    if (!type) {
      ctx.reply.Error("ERR Unknown client type '" + std::string(ctx.arg(3)) + "'");
      return;
    }
    auto clients = ctx.server.clients().All();
    std::erase_if(clients, [&](const auto& info) { return TypeOf(*info) != *type; });
    ReplyLines(ctx, clients);
  } else if (count > 3 && IsWord(ctx.arg(2), "ID")) {
    std::vector<std::shared_ptr<ClientInfo>> clients;
    for (size_t i = 3; i < count; ++i) {
      const auto id = ReadInteger(ctx, i, "ERR Invalid client ID");
      if (!id) return;
      clients.push_back(ctx.server.clients().Find(*id));
    }
    ReplyLines(ctx, clients);
  } else {
    ctx.reply.Error(kSyntaxError);
  }
}

void SetSwitch(CommandContext& ctx, std::atomic<bool>& target) {
  const bool on = IsWord(ctx.arg(2), "ON");
  if (!on && !IsWord(ctx.arg(2), "OFF")) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  target = on;
  ctx.reply.Ok();
}

void NoEvict(CommandContext& ctx) { SetSwitch(ctx, ctx.client.info->no_evict); }
void NoTouch(CommandContext& ctx) { SetSwitch(ctx, ctx.client.info->no_touch); }

void SetReplyMode(CommandContext& ctx) {
  ReplyMode& mode = ctx.client.reply_mode;
  if (IsWord(ctx.arg(2), "ON")) {
    mode = ReplyMode::kOn;
    ctx.reply.Ok();
  } else if (IsWord(ctx.arg(2), "OFF")) {
    mode = ReplyMode::kOff;
  } else if (IsWord(ctx.arg(2), "SKIP")) {
    if (mode != ReplyMode::kOff) mode = ReplyMode::kSkipNext;
  } else {
    ctx.reply.Error(kSyntaxError);
  }
}

void Tracking(CommandContext& ctx) {
  if (IsWord(ctx.arg(2), "OFF")) {
    ctx.reply.Ok();
  } else if (IsWord(ctx.arg(2), "ON")) {
    ctx.reply.Error(
        "ERR Client side caching is not supported: CLIENT TRACKING cannot be turned on");
  } else {
    ctx.reply.Error(kSyntaxError);
  }
}

void TrackingInfo(CommandContext& ctx) {
  ctx.reply.MapHeader(3);
  ctx.reply.Bulk("flags");
  ctx.reply.SetHeader(1);
  ctx.reply.Bulk("off");
  ctx.reply.Bulk("redirect");
  ctx.reply.Integer(-1);
  ctx.reply.Bulk("prefixes");
  ctx.reply.ArrayHeader(0);
}

void GetRedirect(CommandContext& ctx) { ctx.reply.Integer(-1); }

void Caching(CommandContext& ctx) {
  ctx.reply.Error(
      "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
      "OPTOUT mode enabled");
}

constexpr uint32_t kPlain = kNoScript | kLoading | kStale;
constexpr uint32_t kCategories = kCatSlow | kCatConnection;

constexpr Command Row(std::string_view name, int arity, Handler handler, std::string_view since,
                      std::string_view summary, uint32_t flags = kPlain) {
  return {name, arity, flags, {}, kCategories, handler, "connection", since, summary};
}
constexpr Command AdminRow(std::string_view name, int arity, Handler handler,
                           std::string_view since, std::string_view summary) {
  Command row = Row(name, arity, handler, since, summary, kPlain | kAdmin);
  row.categories |= kCatAdmin | kCatDangerous;
  return row;
}

constexpr Command kSubcommands[] = {
    Row("caching", 3, &Caching, "6.0.0", "Belongs to TRACKING, which is not supported."),
    Row("getname", 2, &GetName, "2.6.9", "Answers the connection's name, or null."),
    Row("getredir", 2, &GetRedirect, "6.0.0", "Answers -1, since nothing is tracked."),
    Row("help", 2, &Help, "5.0.0", "Shows this text.", kLoading | kStale),
    Row("id", 2, &Id, "5.0.0", "Answers the connection's number, which is never used again."),
    Row("info", 2, &Info, "6.2.0", "Describes the connection in one line."),
    AdminRow("kill", -3, &ClientKill, "2.4.0",
             "Closes the connection with an address, or those that pass ID, ADDR, LADDR, TYPE, "
             "USER, SKIPME and MAXAGE."),
    AdminRow("list", -2, &List, "2.4.0", "Describes connections, all or by TYPE or ID."),
    AdminRow("no-evict", 3, &NoEvict, "7.0.0", "Exempts the connection from client eviction."),
    Row("no-touch", 3, &NoTouch, "7.2.0", "Lets commands leave keys' last access as it was."),
    AdminRow("pause", -3, &ClientPauseCommand, "3.0.0",
             "Lets commands wait for some milliseconds: WRITE those that write, ALL every one."),
    Row("reply", 3, &SetReplyMode, "3.2.0", "Turns replies ON or OFF, or leaves out the next."),
    Row("setinfo", 4, &SetInfo, "7.2.0", "Tells the client library's LIB-NAME or LIB-VER."),
    Row("setname", 3, &SetName, "2.6.9", "Gives the connection a name."),
    Row("tracking", -3, &Tracking, "6.0.0", "Refuses ON; client-side caching is not supported."),
    Row("trackinginfo", 2, &TrackingInfo, "6.2.0", "Says that nothing is tracked."),
    AdminRow("unblock", -3, &ClientUnblock, "5.0.0",
             "Ends the waiting of a blocked client, with its TIMEOUT reply or an ERROR."),
    AdminRow("unpause", 2, &ClientUnpause, "6.2.0", "Ends CLIENT PAUSE."),
};

constexpr Command kCommands[] = {
    {"client",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "connection",
     "2.4.0",
     "A container for what concerns connections.",
     kSubcommands},
};

}  // namespace

std::span<const Command> ClientCommands() { return kCommands; }

}  // namespace chorale
