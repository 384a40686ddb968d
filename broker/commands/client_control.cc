#include "broker/commands/client_control.h"

#include <memory>
#include <optional>
#include <string>

#include "broker/authentication.h"
#include "broker/blocking.h"
#include "broker/client.h"
#include "broker/client_line.h"
#include "broker/client_pause.h"
#include "broker/clock.h"
#include "broker/commands/arguments.h"
#include "broker/commands/help.h"
#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/pending_answer.h"
#include "broker/server.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

constexpr std::string_view kUnblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";

struct KillFilter {
  std::optional<int64_t> id, max_age_seconds;
  std::optional<std::string_view> address, local_address;
  std::optional<ClientType> type;
  bool skip_me = true;

  bool Matches(const ClientInfo& info, const ClientInfo& me, int64_t now_ms) const {
    if (id && info.id != *id) return false;
    if (address && info.address != *address) return false;
    if (local_address && info.local_address != *local_address) return false;
    if (type && TypeOf(info) != *type) return false;
    if (max_age_seconds && (now_ms - info.connected_at_ms) / 1000 < *max_age_seconds) return false;
    return !skip_me || &info != &me;
  }
};

// Reads the option at `index` and its value. False when it wrote an error.
bool ReadKillOption(CommandContext& ctx, size_t index, KillFilter& filter) {
  const std::string_view option = ctx.arg(index);
  const std::string_view value = ctx.arg(index + 1);
  const auto positive = [&](std::string_view error) {
    return ReadAtLeast(ctx, index + 1, 1, error);
  };
  if (IsWord(option, "ID")) {
    return (filter.id = positive("ERR client-id should be greater than 0")).has_value();
  }
  if (IsWord(option, "MAXAGE")) {
    filter.max_age_seconds = positive("ERR maxage should be greater than 0");
    return filter.max_age_seconds.has_value();
  }
  if (IsWord(option, "TYPE")) {
    filter.type = ParseClientType(value);
    if (!filter.type) ctx.reply.Error("ERR Unknown client type '" + std::string(value) + "'");
    return filter.type.has_value();
  }
  if (IsWord(option, "USER")) {
    if (value == kDefaultUser) return true;
    ctx.reply.Error("ERR No such user '" + std::string(value) + "'");
    return false;
  }
  if (IsWord(option, "ADDR")) {
    filter.address = value;
    return true;
  }
  if (IsWord(option, "LADDR")) {
    filter.local_address = value;
    return true;
  }
  if (IsWord(option, "SKIPME") && (IsWord(value, "YES") || IsWord(value, "NO"))) {
    filter.skip_me = IsWord(value, "YES");
    return true;
  }
  ctx.reply.Error(kSyntaxError);
  return false;
}

// False when it wrote an error.
bool ReadKillFilter(CommandContext& ctx, KillFilter& filter) {
  for (size_t i = 2; i < ctx.args.size(); i += 2) {
    if (i + 1 == ctx.args.size()) {
      ctx.reply.Error(kSyntaxError);
      return false;
    }
    if (!ReadKillOption(ctx, i, filter)) return false;
  }
  return true;
}

// True unless somebody else is closing it already.
bool Kill(CommandContext& ctx, const std::shared_ptr<ClientInfo>& info) {
  if (info->close_asap.exchange(true)) return false;
  if (info == ctx.client.info) {
    ctx.client.connection.CloseAfterReply();
    return true;
  }
  info->thread->Post([info] {
    if (const auto connection = info->connection.lock()) connection->Close();
  });
  return true;
}

}  // namespace

void ClientKill(CommandContext& ctx) {
  KillFilter filter;
  const bool by_address = ctx.args.size() == 3;
  if (by_address) {
    filter.address = ctx.arg(2);
    filter.skip_me = false;
  } else if (!ReadKillFilter(ctx, filter)) {
    return;
  }
  const int64_t now_ms = UnixMillis();
  int64_t killed = 0;
  for (const auto& info : ctx.server.clients().All()) {
    if (filter.Matches(*info, *ctx.client.info, now_ms)) killed += Kill(ctx, info);
  }
  if (!by_address) {
    ctx.reply.Integer(killed);
  } else if (killed > 0) {
    ctx.reply.Ok();
  } else {
    ctx.reply.Error("ERR No such client");
  }
}

void ClientPauseCommand(CommandContext& ctx) {
  using Mode = ClientPause::Mode;
  Mode mode = Mode::kAll;
  if (ctx.args.size() == 4) {
    if (!IsWord(ctx.arg(3), "WRITE") && !IsWord(ctx.arg(3), "ALL")) {
      ctx.reply.Error("ERR CLIENT PAUSE mode must be WRITE or ALL");
      return;
    }
    if (IsWord(ctx.arg(3), "WRITE")) mode = Mode::kWrites;
  } else if (ctx.args.size() > 4) {
    WriteSubcommandSyntaxError(ctx);
    return;
  }
  const auto duration_ms = ParseMilliseconds(ctx, ctx.arg(2));
  if (!duration_ms) return;
  ctx.server.pause().Begin(mode, ctx.thread, *duration_ms);
  ctx.reply.Ok();
}

void ClientUnpause(CommandContext& ctx) {
  ctx.server.pause().End();
  ctx.reply.Ok();
}

void ClientUnblock(CommandContext& ctx) {
  bool with_error = false;
  if (ctx.args.size() > 4) {
    WriteSubcommandSyntaxError(ctx);
    return;
  }
  if (ctx.args.size() == 4) {
    with_error = IsWord(ctx.arg(3), "ERROR");
    if (!with_error && !IsWord(ctx.arg(3), "TIMEOUT")) {
      ctx.reply.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
      return;
    }
  }
  const auto id = ReadInteger(ctx, 2);
  if (!id) return;
  const auto target = ctx.server.clients().Find(*id);
  if (target == nullptr || target == ctx.client.info || !target->blocked) {
    ctx.reply.Integer(0);
    return;
  }
  const auto unblock = [target, with_error] {
    const auto connection = target->connection.lock();
    if (connection == nullptr) return false;
    return with_error ? connection->CancelBlock(kUnblocked) : connection->TimeOutBlock();
  };
  if (!ctx.may_block()) {
    target->thread->Post([unblock] { unblock(); });
    ctx.reply.Integer(1);
    return;
  }
  // Whether it still waits is known on its own thread only, so the answer comes from there.
  const auto answer = PendingAnswer::Await(ctx, 0, ":0\r\n");
  target->thread->Post(
      [unblock, answer] { PendingAnswer::Give(answer, unblock() ? ":1\r\n" : ":0\r\n"); });
}

}  // namespace chorale
