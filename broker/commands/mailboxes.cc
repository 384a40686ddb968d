// MAILBOX.*: everything that is sent to one process, as numbered pushes. Reference:
// protocol/README.md.

#include <algorithm>
#include <utility>

#include "broker/client.h"
#include "broker/commands/arguments.h"
#include "broker/commands/layers.h"
#include "broker/connection.h"
#include "broker/mailbox_delivery.h"
#include "broker/server.h"
#include "protocol/numbers.h"
#include "storage/layers/names.h"

namespace chorale {
namespace {

bool CheckMailbox(CommandContext& ctx) {
  if (IsMailboxName(ctx.arg(2))) return true;
  ctx.reply.Error(
      "ERR invalid mailbox name: it has up to 99 ASCII letters, digits, hyphens, underscores and "
      "full stops, and a '!' at its end");
  return false;
}

// The mailbox that this client has opened, in its list.
auto FindOpen(CommandContext& ctx) {
  auto& open = ctx.client.mailboxes;
  return std::find_if(open.begin(), open.end(), [&](const auto& delivery) {
    return delivery->layer().name() == ctx.arg(1) && delivery->mailbox().name() == ctx.arg(2);
  });
}

void WriteNotOpen(CommandContext& ctx) {
  ctx.reply.Error("NOMAILBOX this connection has not opened the mailbox");
}

std::optional<uint64_t> ReadNumber(CommandContext& ctx, size_t index) {
  const auto number = ReadAtLeast(ctx, index, 0, kNotAnInteger);
  if (!number) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

void Open(CommandContext& ctx) {
  if (!CheckMailbox(ctx)) return;
  std::optional<Mailbox::Resume> resume;
  std::optional<int64_t> capacity;
  for (size_t i = 3; i < ctx.args.size();) {
    if (IsWord(ctx.arg(i), "RESUME") && i + 2 < ctx.args.size()) {
      const auto epoch = ReadNumber(ctx, i + 1);
      if (!epoch) return;
      const auto received = ReadNumber(ctx, i + 2);
      if (!received) return;
      resume = {*epoch, *received};
      i += 3;
    } else if (IsWord(ctx.arg(i), "CAPACITY") && i + 1 < ctx.args.size()) {
      capacity = ReadCapacity(ctx, i + 1);
      if (!capacity) return;
      i += 2;
    } else {
      return ctx.reply.Error(kSyntaxError);
    }
  }
  if (ctx.client.protocol < 3) {
    return ctx.reply.Error("ERR MAILBOX.OPEN needs RESP3: say HELLO 3 first");
  }
  const auto layer = ReadLayer(ctx);
  if (layer == nullptr) return;
  if (const auto found = FindOpen(ctx); found != ctx.client.mailboxes.end()) {
    (*found)->Leave(ctx.now_ms());
    ctx.client.mailboxes.erase(found);
  }
  for (;;) {
    const auto delivery =
        std::make_shared<MailboxDelivery>(ctx.thread, ctx.client.connection.weak_from_this(), layer,
                                          layer->MailboxFor(ctx.arg(2), ctx.now_ms()));
    const auto opened = delivery->mailbox().Open(delivery, resume, capacity, ctx.now_ms());
    if (!opened) continue;  // closed meanwhile
    ctx.client.mailboxes.push_back(delivery);
    ctx.reply.ArrayHeader(2);
    ctx.reply.Integer(static_cast<int64_t>(opened->epoch));
    ctx.reply.Integer(static_cast<int64_t>(opened->last));
    return;
  }
}

void Acknowledge(CommandContext& ctx) {
  const auto received = ReadNumber(ctx, 3);
  if (!received) return;
  const auto consumed = ReadNumber(ctx, 4);
  if (!consumed) return;
  if (ctx.args.size() % 2 == 0) return ctx.reply.Error(kSyntaxError);
  std::optional<uint64_t> epoch;
  size_t pairs = 5;
  // No channel of a mailbox has that name: theirs have a '!'.
  if (ctx.args.size() > pairs && IsWord(ctx.arg(pairs), "EPOCH")) {
    epoch = ReadNumber(ctx, pairs + 1);
    if (!epoch) return;
    pairs += 2;
  }
  std::vector<UnconsumedMessages::Waiting> unconsumed;
  for (size_t i = pairs; i < ctx.args.size(); i += 2) {
    const auto count = ReadAtLeast(ctx, i + 1, 0, kNotAnInteger);
    if (!count) return;
    unconsumed.emplace_back(ctx.arg(i), *count);
  }
  const auto found = FindOpen(ctx);
  if (found == ctx.client.mailboxes.end()) return WriteNotOpen(ctx);
  switch (
      (*found)->mailbox().Acknowledge(found->get(), {epoch, *received, *consumed, unconsumed})) {
    case Mailbox::Acknowledged::kYes:
      return ctx.reply.Ok();
    case Mailbox::Acknowledged::kNotTheOwner:
      return WriteNotOpen(ctx);
    case Mailbox::Acknowledged::kNeverSent:
      return ctx.reply.Error("ERR acknowledged what was never sent");
  }
}

void Close(CommandContext& ctx) {
  const auto found = FindOpen(ctx);
  if (found == ctx.client.mailboxes.end()) return WriteNotOpen(ctx);
  const bool closed = (*found)->mailbox().Close(found->get());
  ctx.client.mailboxes.erase(found);
  if (!closed) return WriteNotOpen(ctx);  // taken meanwhile
  ctx.reply.Ok();
}

constexpr Command Row(std::string_view name, int arity, uint32_t flags, Handler handler,
                      std::string_view summary) {
  return {name,    arity,  kLayerCommand | kFast | flags, kNoKeys, kCatFast, handler, "layer",
          "0.2.0", summary};
}

constexpr Command kCommands[] = {
    Row("mailbox.ack", -5, 0, &Acknowledge, "Acknowledges what a process has received."),
    Row("mailbox.close", 3, kWrite, &Close, "Ends a mailbox and its memberships."),
    Row("mailbox.open", -3, kWrite | kDenyOom, &Open,
        "Has everything that is sent to one process pushed to this connection."),
};

}  // namespace

std::span<const Command> MailboxCommands() { return kCommands; }

}  // namespace chorale
