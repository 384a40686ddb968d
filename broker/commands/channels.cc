// CHANNEL.*: single messages to and from channels. Reference: protocol/README.md.

#include <algorithm>
#include <array>
#include <utility>

#include "broker/blocking.h"
#include "broker/commands/arguments.h"
#include "broker/commands/layers.h"
#include "broker/server.h"
#include "storage/key_hash.h"
#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"

namespace chorale {
namespace {

constexpr std::string_view kFull = "CHANNELFULL the channel is at its capacity";

void SendToMailbox(CommandContext& ctx, Layer& layer, const LayerPolicy& policy) {
  const auto message = std::make_shared<const std::string>(ctx.arg(3));
  Mailbox::Sent sent;
  do {
    sent = layer.MailboxFor(MailboxOf(ctx.arg(2)), ctx.now_ms())
               ->Send(ctx.arg(2), message, policy, ctx.now_ms());
  } while (sent == Mailbox::Sent::kClosed);
  if (sent == Mailbox::Sent::kFull) return ctx.reply.Error(kFull);
  ctx.reply.Ok();
}

LayerPolicy WithCapacity(LayerPolicy policy, int64_t capacity) {
  policy.capacity = capacity;
  policy.exceptions.clear();
  return policy;
}

void Send(CommandContext& ctx) {
  if (!CheckChannel(ctx, ctx.arg(2)) || !CheckMessage(ctx, ctx.arg(3))) return;
  const auto layer = ReadLayer(ctx);
  if (layer == nullptr) return;
  auto policy = layer->policy();
  if (ctx.args.size() > 4) {
    if (ctx.args.size() != 6 || !IsWord(ctx.arg(4), "CAPACITY")) {
      return ctx.reply.Error(kSyntaxError);
    }
    const auto capacity = ReadCapacity(ctx, 5);
    if (!capacity) return;
    policy = std::make_shared<const LayerPolicy>(WithCapacity(*policy, *capacity));
  }
  if (!MailboxOf(ctx.arg(2)).empty()) return SendToMailbox(ctx, *layer, *policy);
  if (!PushToQueue(ctx.keys, *layer, ctx.arg(2), ctx.arg(3), *policy)) {
    Add(layer->counters().full);
    return ctx.reply.Error(kFull);
  }
  Add(layer->counters().sent);
  ctx.reply.Ok();
}

// Each call begins with another of the channels, so that none has to wait for the others to be
// empty. Calls that name other channels have turns of their own; else two clients that take turns
// would always begin with the same.
std::vector<std::string> InTurn(std::string_view layer, Arguments channels) {
  thread_local std::array<size_t, 256> turns{};
  std::vector<std::string> keys;
  size_t names = 0;
  for (const std::string_view channel : channels) {
    keys.push_back(QueueKey(layer, channel));
    names ^= HashKey(keys.back());
  }
  size_t& turn = turns[names % turns.size()];
  std::rotate(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(turn % keys.size()), keys.end());
  ++turn;
  return keys;
}

void Receive(CommandContext& ctx) {
  Arguments channels = ctx.args.subspan(2);
  std::optional<int64_t> block_ms;
  if (channels.size() >= 3 && IsWord(channels[channels.size() - 2], "BLOCK")) {
    block_ms = ParseMilliseconds(ctx, channels.back());
    if (!block_ms) return;
    channels = channels.first(channels.size() - 2);
  }
  for (const std::string_view channel : channels) {
    if (!CheckChannel(ctx, channel)) return;
    if (MailboxOf(channel).empty()) continue;
    return ctx.reply.Error("ERR a process-specific channel is received by MAILBOX.OPEN");
  }
  if (!CheckLayer(ctx)) return;
  int db = ctx.keys.store().layers_db();
  const std::vector<std::string> keys = InTurn(ctx.arg(1), channels);
  bool any = false;
  for (const std::string& key : keys) {
    Edit<ChannelQueue> queue(ctx.keys, db, key, IfAbsent::kLeave);
    if (!queue) continue;
    queue->DropExpired(ctx.now_ms());
    any |= queue->size() > 0;
  }
  if (!any && !block_ms) return ctx.reply.NullArray();
  CommandContext inner{ctx.server, ctx.thread, ctx.client, ctx.command, ctx.args,
                       ctx.keys,   ctx.reply,  db,         ctx.origin};
  PopOrBlock(inner, {.keys = {keys.begin(), keys.end()},
                     .wanted = ValueType::kChannelQueue,
                     .timeout_ms = block_ms.value_or(0),
                     .pop = [db](LockedKeys& locked, std::string_view key, ReplyWriter& reply) {
                       Edit<ChannelQueue> queue(locked, db, key, IfAbsent::kLeave);
                       reply.ArrayHeader(2);
                       reply.Bulk(ChannelOfQueue(key));
                       reply.Bulk(queue->Pop());
                     }});
}

void Length(CommandContext& ctx) {
  if (!CheckChannel(ctx, ctx.arg(2)) || !CheckLayer(ctx)) return;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  if (layer == nullptr) return ctx.reply.Integer(0);
  const std::string_view mailbox_name = MailboxOf(ctx.arg(2));
  if (!mailbox_name.empty()) {
    const auto mailbox = layer->FindMailbox(mailbox_name);
    const int64_t unread = mailbox == nullptr ? 0 : mailbox->Unread(ctx.now_ms());
    return ctx.reply.Integer(std::max(int64_t{0}, unread));
  }
  Edit<ChannelQueue> queue(ctx.keys, ctx.keys.store().layers_db(),
                           QueueKey(layer->name(), ctx.arg(2)), IfAbsent::kLeave);
  if (!queue) return ctx.reply.Integer(0);
  queue->DropExpired(ctx.now_ms());
  ctx.reply.Integer(static_cast<int64_t>(queue->size()));
}

constexpr Command Row(std::string_view name, int arity, uint32_t flags, uint32_t categories,
                      Handler handler, std::string_view summary) {
  return {name,    arity,      kLayerCommand | kChannelQueues | flags,
          kNoKeys, categories, handler,
          "layer", "0.2.0",    summary};
}

constexpr Command kCommands[] = {
    Row("channel.len", 3, kReadOnly | kFast, kCatFast, &Length,
        "Counts the messages that wait in a channel."),
    Row("channel.receive", -3, kWrite | kBlocking, kCatSlow | kCatBlocking, &Receive,
        "Takes the next message of one of several channels, or waits for it."),
    Row("channel.send", -4, kWrite | kDenyOom | kFast, kCatFast, &Send,
        "Sends a message to a channel."),
};

}  // namespace

std::span<const Command> ChannelCommands() { return kCommands; }

}  // namespace chorale
