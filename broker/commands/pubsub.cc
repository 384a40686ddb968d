// Publish and subscribe: https://redis.io/docs/latest/commands/?group=pubsub

#include "broker/pubsub.h"

#include <algorithm>
#include <string>
#include <vector>

#include "broker/back_pressure.h"
#include "broker/client.h"
#include "broker/command.h"
#include "broker/commands/errors.h"
#include "broker/commands/help.h"
#include "broker/connection.h"
#include "broker/server.h"

namespace chorale {
namespace {

// What distinguishes the three kinds of subscription for a client.
struct KindWords {
  std::string_view subscribe, unsubscribe;
};
constexpr KindWords kWords[] = {
    {"subscribe", "unsubscribe"}, {"psubscribe", "punsubscribe"}, {"ssubscribe", "sunsubscribe"}};

absl::flat_hash_set<std::string>& NamesOf(Subscriptions& subscriptions, SubscriptionKind kind) {
  switch (kind) {
    case SubscriptionKind::kPattern:
      return subscriptions.patterns;
    case SubscriptionKind::kShardChannel:
      return subscriptions.shard_channels;
    case SubscriptionKind::kChannel:
      break;
  }
  return subscriptions.channels;
}

// Channels and patterns are counted together, shard channels apart.
size_t CountFor(const Subscriptions& subscriptions, SubscriptionKind kind) {
  return kind == SubscriptionKind::kShardChannel ? subscriptions.shard_channels.size()
                                                 : subscriptions.count();
}

void UpdateInfo(Client& client) {
  const Subscriptions& subscriptions = *client.subscriptions;
  client.info->channels = static_cast<int>(subscriptions.channels.size());
  client.info->patterns = static_cast<int>(subscriptions.patterns.size());
  client.info->shard_channels = static_cast<int>(subscriptions.shard_channels.size());
}

void WriteConfirmation(CommandContext& ctx, std::string_view word, const std::string* name,
                       size_t count) {
  if (ctx.origin == CommandContext::Origin::kClient) ctx.client.connection.KeepReply();
  ctx.reply.PushHeader(3);
  ctx.reply.Bulk(word);
  if (name != nullptr) {
    ctx.reply.Bulk(*name);
  } else {
    ctx.reply.Null();
  }
  ctx.reply.Integer(static_cast<int64_t>(count));
}

void SubscribeTo(CommandContext& ctx, SubscriptionKind kind) {
  Client& client = ctx.client;
  if (client.subscriptions == nullptr) client.subscriptions = std::make_unique<Subscriptions>();
  auto& names = NamesOf(*client.subscriptions, kind);
  for (const std::string_view arg : ctx.args.subspan(1)) {
    const std::string name(arg);
    if (names.insert(name).second) {
      ctx.server.pubsub().Subscribe(kind, name, client.connection);
    }
    WriteConfirmation(ctx, kWords[static_cast<size_t>(kind)].subscribe, &name,
                      CountFor(*client.subscriptions, kind));
  }
  UpdateInfo(client);
}

void UnsubscribeFrom(CommandContext& ctx, SubscriptionKind kind) {
  Client& client = ctx.client;
  if (client.subscriptions == nullptr) client.subscriptions = std::make_unique<Subscriptions>();
  auto& names = NamesOf(*client.subscriptions, kind);
  std::vector<std::string> leaving(ctx.args.begin() + 1, ctx.args.end());
  if (leaving.empty()) leaving.assign(names.begin(), names.end());
  const std::string_view word = kWords[static_cast<size_t>(kind)].unsubscribe;
  for (const std::string& name : leaving) {
    if (names.erase(name) > 0) ctx.server.pubsub().Unsubscribe(kind, name, client.connection);
    WriteConfirmation(ctx, word, &name, CountFor(*client.subscriptions, kind));
  }
  if (leaving.empty()) {
    WriteConfirmation(ctx, word, nullptr, CountFor(*client.subscriptions, kind));
  }
  UpdateInfo(client);
  if (!client.subscribed()) client.subscriptions.reset();
}

template <SubscriptionKind kKind>
void Subscribe(CommandContext& ctx) {
  SubscribeTo(ctx, kKind);
}

template <SubscriptionKind kKind>
void Unsubscribe(CommandContext& ctx) {
  UnsubscribeFrom(ctx, kKind);
}

template <SubscriptionKind kKind>
void Publish(CommandContext& ctx) {
  const auto published =
      ctx.server.pubsub().Publish(kKind, ctx.arg(1), ctx.arg(2), ctx.server.threads());
  ctx.reply.Integer(published.receivers);
  WaitForThreads(ctx.client.connection, published.congested);
}

template <SubscriptionKind kKind>
void Channels(CommandContext& ctx) {
  if (ctx.args.size() > 3) return WriteSubcommandSyntaxError(ctx);
  const auto names =
      ctx.server.pubsub().Names(kKind, ctx.args.size() == 3 ? ctx.arg(2) : std::string_view("*"));
  ctx.reply.ArrayHeader(names.size());
  for (const std::string& name : names) ctx.reply.Bulk(name);
}

template <SubscriptionKind kKind>
void NumSub(CommandContext& ctx) {
  const auto names = ctx.args.subspan(2);
  ctx.reply.ArrayHeader(names.size() * 2);
  for (const std::string_view name : names) {
    ctx.reply.Bulk(name);
    ctx.reply.Integer(ctx.server.pubsub().SubscriberCount(kKind, name));
  }
}

void NumPat(CommandContext& ctx) {
  ctx.reply.Integer(
      static_cast<int64_t>(ctx.server.pubsub().NameCount(SubscriptionKind::kPattern)));
}

constexpr auto kChannel = SubscriptionKind::kChannel;
constexpr auto kPattern = SubscriptionKind::kPattern;
constexpr auto kShard = SubscriptionKind::kShardChannel;

constexpr uint32_t kListen = kPubSub | kNoScript | kLoading | kStale | kInSubscribeMode;
constexpr uint32_t kQuery = kPubSub | kLoading | kStale;
constexpr uint32_t kPublish = kQuery | kFast | kMayWrite;
constexpr uint32_t kSlow = kCatPubSub | kCatSlow;

constexpr Command kPubSubSubcommands[] = {
    {"channels",
     -2,
     kQuery,
     {},
     kSlow,
     &Channels<kChannel>,
     "pubsub",
     "2.8.0",
     "Lists the channels that have subscribers."},
    {"help", 2, kLoading | kStale, {}, kCatSlow, &Help, "pubsub", "6.2.0", "Shows this text."},
    {"numpat",
     2,
     kQuery,
     {},
     kSlow,
     &NumPat,
     "pubsub",
     "2.8.0",
     "Counts the patterns that have subscribers."},
    {"numsub",
     -2,
     kQuery,
     {},
     kSlow,
     &NumSub<kChannel>,
     "pubsub",
     "2.8.0",
     "Counts the subscribers of each channel named."},
    {"shardchannels",
     -2,
     kQuery,
     {},
     kSlow,
     &Channels<kShard>,
     "pubsub",
     "7.0.0",
     "Lists the shard channels that have subscribers."},
    {"shardnumsub",
     -2,
     kQuery,
     {},
     kSlow,
     &NumSub<kShard>,
     "pubsub",
     "7.0.0",
     "Counts the subscribers of each shard channel named."},
};

constexpr Command kCommands[] = {
    {"psubscribe",
     -2,
     kListen,
     {},
     kSlow,
     &Subscribe<kPattern>,
     "pubsub",
     "2.0.0",
     "Listens to the channels that match the patterns."},
    {"publish",
     3,
     kPublish,
     {},
     kCatPubSub | kCatFast,
     &Publish<kChannel>,
     "pubsub",
     "2.0.0",
     "Sends a message to the subscribers of a channel."},
    {"pubsub",
     -2,
     0,
     {},
     kSlow,
     nullptr,
     "pubsub",
     "2.8.0",
     "A container for the queries of publish and subscribe.",
     kPubSubSubcommands},
    {"punsubscribe",
     -1,
     kListen,
     {},
     kSlow,
     &Unsubscribe<kPattern>,
     "pubsub",
     "2.0.0",
     "Stops listening to patterns; to all of them without an argument."},
    {"spublish",
     3,
     kPublish,
     {1, 1, 1},
     kCatPubSub | kCatFast,
     &Publish<kShard>,
     "pubsub",
     "7.0.0",
     "Sends a message to the subscribers of a shard channel."},
    {"ssubscribe",
     -2,
     kListen,
     {1, -1, 1},
     kSlow,
     &Subscribe<kShard>,
     "pubsub",
     "7.0.0",
     "Listens to shard channels."},
    {"subscribe",
     -2,
     kListen,
     {},
     kSlow,
     &Subscribe<kChannel>,
     "pubsub",
     "2.0.0",
     "Listens to channels."},
    {"sunsubscribe",
     -1,
     kListen,
     {1, -1, 1},
     kSlow,
     &Unsubscribe<kShard>,
     "pubsub",
     "7.0.0",
     "Stops listening to shard channels; to all of them without an argument."},
    {"unsubscribe",
     -1,
     kListen,
     {},
     kSlow,
     &Unsubscribe<kChannel>,
     "pubsub",
     "2.0.0",
     "Stops listening to channels; to all of them without an argument."},
};

}  // namespace

std::span<const Command> PubSubCommands() { return kCommands; }

}  // namespace chorale
