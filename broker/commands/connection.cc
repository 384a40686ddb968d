// The connection itself: https://redis.io/docs/latest/commands/?group=connection

#include "broker/connection.h"

#include "broker/client.h"
#include "broker/command.h"

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
    ctx.reply.SimpleString("PONG");
  }
}

constexpr Command kCommands[] = {
    {"ping",
     -1,
     kFast | kInSubscribeMode,
     {},
     kCatFast | kCatConnection,
     &Ping,
     "connection",
     "1.0.0",
     "Answers PONG, or the argument."},
};

}  // namespace

std::span<const Command> ConnectionCommands() { return kCommands; }

}  // namespace chorale
