// The data directory: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
// What these commands mean here is in README.md.

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/pending_answer.h"
#include "broker/server.h"
#include "protocol/reply_writer.h"

namespace chorale {
namespace {

// False, and a reply, if there is no data directory.
bool CheckPersistence(CommandContext& ctx) {
  if (ctx.server.journal() != nullptr) return true;
  ctx.reply.Error("ERR Persistence is off: this broker keeps its data in memory only");
  return false;
}

std::string ReplyTo(const absl::Status& status) {
  std::string reply;
  ReplyWriter writer(&reply, 2);
  if (status.ok()) {
    writer.Ok();
  } else {
    writer.Error(fmt::format("ERR {}", std::string(status.message())));
  }
  return reply;
}

void Save(CommandContext& ctx) {
  if (!CheckPersistence(ctx)) return;
  if (!ctx.may_block()) return ctx.reply.Error("ERR SAVE isn't allowed for DENY BLOCKING client");
  const auto answer = PendingAnswer::Await(ctx, 0, {});
  ctx.server.Save(Server::Purpose::kSave, [answer](const absl::Status& status) {
    PendingAnswer::Give(answer, ReplyTo(status));
  });
}

void BackgroundSave(CommandContext& ctx) {
  if (ctx.args.size() > 2 || (ctx.args.size() == 2 && !IsWord(ctx.arg(1), "SCHEDULE"))) {
    return ctx.reply.Error(kSyntaxError);
  }
  if (!CheckPersistence(ctx)) return;
  ctx.server.Save(Server::Purpose::kSave, [](const absl::Status&) {});
  ctx.reply.SimpleString("Background saving started");
}

void LastSave(CommandContext& ctx) {
  Journal* const journal = ctx.server.journal();
  ctx.reply.Integer(journal == nullptr ? ctx.server.started_at_ms() / 1000
                                       : journal->statistics().last_save_ms / 1000);
}

void NoRewrite(CommandContext& ctx) {
  if (!CheckPersistence(ctx)) return;
  ctx.reply.Error("ERR There is no append only file: the data directory is compacted by itself");
}

void Checkpoint(CommandContext& ctx) {
  if (!CheckPersistence(ctx)) return;
  if (!ctx.may_block()) {
    return ctx.reply.Error("ERR CHECKPOINT isn't allowed for DENY BLOCKING client");
  }
  std::error_code error;
  const auto path = std::filesystem::absolute(std::string(ctx.arg(1)), error);
  if (error || ctx.arg(1).empty()) return ctx.reply.Error("ERR the path is not valid");
  const auto answer = PendingAnswer::Await(ctx, 0, {});
  ctx.server.journal()->Copy(
      path.lexically_normal().string(),
      [answer](const absl::Status& status) { PendingAnswer::Give(answer, ReplyTo(status)); });
}

constexpr uint32_t kOperator = kAdmin | kNoScript;

constexpr Command Row(std::string_view name, int arity, uint32_t flags, Handler handler,
                      std::string_view since, std::string_view summary) {
  return {name, arity, flags, {}, kCatSlow, handler, "server", since, summary};
}

constexpr Command kCommands[] = {
    Row("bgrewriteaof", 1, kOperator, &NoRewrite, "1.0.0",
        "Refused: there is no append only file."),
    Row("bgsave", -1, kOperator, &BackgroundSave, "1.0.0",
        "Has everything written to the data directory."),
    Row("checkpoint", 2, kOperator | kNoMulti, &Checkpoint, "0.3.0",
        "Copies the data directory, as it is now, to a new directory."),
    {"lastsave",
     1,
     kLoading | kStale | kFast,
     {},
     kCatAdmin | kCatDangerous,
     &LastSave,
     "server",
     "1.0.0",
     "Answers when everything was in the data directory last."},
    Row("save", 1, kOperator | kNoMulti, &Save, "1.0.0",
        "Answers once everything is in the data directory."),
};

}  // namespace

std::span<const Command> PersistenceCommands() { return kCommands; }

}  // namespace chorale
