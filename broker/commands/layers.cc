// LAYER.*: the namespaces of channels and their policies. Reference: protocol/README.md.

#include "broker/commands/layers.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "broker/commands/arguments.h"
#include "broker/server.h"
#include "protocol/numbers.h"
#include "storage/layers/channel_queue.h"
#include "storage/layers/names.h"

namespace chorale {

ShardMask ShardsForChannels(Arguments args) {
  ShardMask mask = 0;
  for (size_t i = 2; i < args.size(); ++i) {
    // Neither a message nor a process-specific channel; the general ones are named like groups.
    if (IsGroupName(args[i])) mask |= Store::MaskOf(QueueKeyText(args[1], args[i]));
  }
  return mask;
}

bool CheckLayer(CommandContext& ctx) {
  if (IsLayerName(ctx.arg(1))) return true;
  ctx.reply.Error("ERR invalid layer name: it has 1 to 100 bytes, none of them NUL");
  return false;
}

std::shared_ptr<Layer> ReadLayer(CommandContext& ctx) {
  if (!CheckLayer(ctx)) return nullptr;
  auto layer = ctx.server.layers().Get(ctx.arg(1));
  if (layer == nullptr) {
    ctx.reply.Error(
        fmt::format("ERR there are {} layers, and no more are made", LayerRegistry::kMost));
  }
  return layer;
}

bool CheckChannel(CommandContext& ctx, std::string_view name) {
  if (IsChannelName(name)) return true;
  ctx.reply.Error(
      "ERR invalid channel name: it has 1 to 100 ASCII letters, digits, hyphens, underscores and "
      "full stops, and at most one '!' between them");
  return false;
}

bool CheckGroup(CommandContext& ctx, std::string_view name) {
  if (IsGroupName(name)) return true;
  ctx.reply.Error(
      "ERR invalid group name: it has 1 to 100 ASCII letters, digits, hyphens, underscores and "
      "full stops");
  return false;
}

bool CheckMessage(CommandContext& ctx, std::string_view message) {
  const int64_t limit = ctx.server.config().layer_message_limit.load(std::memory_order_relaxed);
  if (message.size() <= static_cast<size_t>(limit)) return true;
  ctx.reply.Error(
      fmt::format("TOOLARGE message of {} bytes is larger than layer-message-limit ({} bytes)",
                  message.size(), limit));
  return false;
}

std::optional<int64_t> ReadCapacity(CommandContext& ctx, size_t index) {
  const auto capacity = ParseInt64(ctx.arg(index));
  if (capacity && *capacity > 0) return capacity;
  ctx.reply.Error("ERR capacity is not an integer above 0");
  return std::nullopt;
}

bool PushToQueue(LockedKeys& keys, Layer& layer, std::string_view channel, std::string_view message,
                 const LayerPolicy& policy) {
  const int db = keys.store().layers_db();
  const QueueKeyText key(layer.name(), channel);
  const int64_t expires_at_ms = keys.now_ms() + policy.expiry_ms;
  int64_t last_expiry_ms = 0;
  {
    Edit<ChannelQueue> queue(keys, db, key, IfAbsent::kCreate);
    if (queue->size() == 0) queue->CountIn(layer.shared_counters());
    queue->DropExpired(keys.now_ms());
    if (static_cast<int64_t>(queue->size()) >= policy.CapacityOf(channel)) return false;
    queue->Push(message, expires_at_ms, keys.now_ms());
    last_expiry_ms = queue->expires_at_ms();
  }
  keys.SetExpiry(db, keys.Find(db, key), last_expiry_ms);
  return true;
}

namespace {

std::optional<int64_t> ReadSeconds(CommandContext& ctx, size_t index) {
  const auto seconds = ParseDouble(ctx.arg(index));
  constexpr double kMost = 1e9;
  if (seconds && std::isfinite(*seconds) && *seconds > 0 && *seconds <= kMost) {
    return std::max(int64_t{1}, static_cast<int64_t>(*seconds * 1000));
  }
  ctx.reply.Error(fmt::format("ERR {} is not a number of seconds above 0", ctx.arg(index - 1)));
  return std::nullopt;
}

// Reads the option at `*index` and moves behind it.
bool ReadOption(CommandContext& ctx, size_t* index, LayerPolicy* policy) {
  const std::string_view option = ctx.arg(*index);
  const size_t left = ctx.args.size() - *index - 1;
  const auto time = [&](int64_t LayerPolicy::*member) {
    const auto milliseconds = ReadSeconds(ctx, ++*index);
    if (milliseconds) policy->*member = *milliseconds;
    return milliseconds.has_value();
  };
  if (left >= 1 && IsWord(option, "EXPIRY")) return time(&LayerPolicy::expiry_ms);
  if (left >= 1 && IsWord(option, "GROUP_EXPIRY")) return time(&LayerPolicy::group_expiry_ms);
  if (left >= 1 && IsWord(option, "GRACE")) return time(&LayerPolicy::grace_ms);
  if (left >= 1 && IsWord(option, "CAPACITY")) {
    const auto capacity = ReadCapacity(ctx, ++*index);
    if (capacity) policy->capacity = *capacity;
    return capacity.has_value();
  }
  if (left >= 2 && IsWord(option, "CHANNEL_CAPACITY")) {
    const std::string_view pattern = ctx.arg(++*index);
    const auto capacity = ReadCapacity(ctx, ++*index);
    if (capacity) policy->exceptions.push_back({std::string(pattern), *capacity});
    return capacity.has_value();
  }
  if (left >= 1 && IsWord(option, "SCOPE")) {
    const std::string_view scope = ctx.arg(++*index);
    if (IsWord(scope, "MAILBOX") || IsWord(scope, "CHANNEL")) {
      policy->scope = IsWord(scope, "CHANNEL") ? CapacityScope::kChannel : CapacityScope::kMailbox;
      return true;
    }
  }
  ctx.reply.Error(kSyntaxError);
  return false;
}

void LayerSet(CommandContext& ctx) {
  LayerPolicy policy;
  for (size_t i = 2; i < ctx.args.size(); ++i) {
    if (!ReadOption(ctx, &i, &policy)) return;
  }
  const auto layer = ReadLayer(ctx);
  if (layer == nullptr) return;
  layer->set_policy(std::move(policy));
  ctx.reply.Ok();
}

void LayerGet(CommandContext& ctx) {
  if (!CheckLayer(ctx)) return;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  if (layer == nullptr) return ctx.reply.Null();
  const auto policy = layer->policy();
  const auto seconds = [&](std::string_view name, int64_t milliseconds) {
    ctx.reply.Bulk(name);
    ctx.reply.Double(static_cast<double>(milliseconds) / 1000);
  };
  ctx.reply.MapHeader(6);
  seconds("expiry", policy->expiry_ms);
  seconds("group_expiry", policy->group_expiry_ms);
  seconds("grace", policy->grace_ms);
  ctx.reply.Bulk("capacity");
  ctx.reply.Integer(policy->capacity);
  ctx.reply.Bulk("scope");
  ctx.reply.Bulk(policy->scope == CapacityScope::kChannel ? "channel" : "mailbox");
  ctx.reply.Bulk("channel_capacity");
  ctx.reply.ArrayHeader(policy->exceptions.size());
  for (const LayerPolicy::Exception& exception : policy->exceptions) {
    ctx.reply.ArrayHeader(2);
    ctx.reply.Bulk(exception.pattern);
    ctx.reply.Integer(exception.capacity);
  }
}

void LayerList(CommandContext& ctx) {
  const std::vector<std::string> names = ctx.server.layers().Names();
  ctx.reply.ArrayHeader(names.size());
  for (const std::string& name : names) ctx.reply.Bulk(name);
}

// In the shards that the token holds.
std::vector<std::string> QueuesOf(LockedKeys& keys, const Layer& layer) {
  std::vector<std::string> names;
  keys.ForEach(keys.store().layers_db(), [&](Entry* entry) {
    if (LayerOfQueue(entry->key()) == layer.name()) names.emplace_back(entry->key());
  });
  return names;
}

struct Gauges {
  int64_t channels = 0, channel_messages = 0;
  int64_t mailboxes = 0, owned = 0, unconsumed = 0, bytes = 0, memberships = 0;
};

// The queues a shard at a time, so that nobody waits long.
Gauges Measure(CommandContext& ctx, Layer& layer) {
  Gauges gauges;
  for (int shard = 0; shard < Store::kShardCount; ++shard) {
    LockedKeys keys(ctx.keys.store(), ctx.now_ms());
    if (!keys.Lock(ShardMask{1} << shard, [&] { return ctx.server.script_busy(); })) continue;
    for (const std::string& key : QueuesOf(keys, layer)) {
      Edit<ChannelQueue> queue(keys, keys.store().layers_db(), key, IfAbsent::kLeave);
      queue->DropExpired(keys.now_ms());
      gauges.channels += queue->size() > 0 ? 1 : 0;
      gauges.channel_messages += static_cast<int64_t>(queue->size());
    }
  }
  for (const auto& mailbox : layer.Mailboxes()) {
    const Mailbox::State state = mailbox->state();
    ++gauges.mailboxes;
    gauges.owned += state.owned ? 1 : 0;
    gauges.unconsumed += state.unconsumed;
    gauges.bytes += static_cast<int64_t>(state.bytes);
    gauges.memberships += static_cast<int64_t>(state.memberships);
  }
  return gauges;
}

void LayerStats(CommandContext& ctx) {
  if (!CheckLayer(ctx)) return;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  if (layer == nullptr) return ctx.reply.Null();
  const Gauges gauges = Measure(ctx, *layer);
  const LayerCounters& counters = layer->counters();
  const auto count = [](const LayerCounters::Count& counter) {
    return static_cast<int64_t>(counter.load(std::memory_order_relaxed));
  };
  const std::pair<std::string_view, int64_t> rows[] = {
      {"sent", count(counters.sent)},
      {"group_sends", count(counters.group_sends)},
      {"group_messages", count(counters.group_messages)},
      {"received", count(counters.received)},
      {"full", count(counters.full)},
      {"group_full", count(counters.group_full)},
      {"expired", count(counters.expired)},
      {"expired_members", count(counters.expired_members)},
      {"resumed", count(counters.resumed)},
      {"reset", count(counters.reset)},
      {"channels", gauges.channels},
      {"channel_messages", gauges.channel_messages},
      {"mailboxes", gauges.mailboxes},
      {"mailboxes_open", gauges.owned},
      {"mailbox_messages", gauges.unconsumed},
      {"mailbox_bytes", gauges.bytes},
      {"groups", static_cast<int64_t>(layer->groups().Names().size())},
      {"mailbox_members", gauges.memberships},
  };
  ctx.reply.MapHeader(std::size(rows));
  for (const auto& [name, value] : rows) {
    ctx.reply.Bulk(name);
    ctx.reply.Integer(value);
  }
}

// The queues a shard at a time, and no shard for the rest, which may take long.
void LayerFlush(CommandContext& ctx) {
  if (!CheckLayer(ctx)) return;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  if (layer == nullptr) return ctx.reply.Ok();
  for (int shard = 0; shard < Store::kShardCount; ++shard) {
    LockedKeys keys(ctx.keys.store(), ctx.now_ms());
    if (!keys.Lock(ShardMask{1} << shard, [&] { return ctx.server.script_busy(); })) {
      return ctx.reply.Error(kBusy);
    }
    for (const std::string& key : QueuesOf(keys, *layer)) {
      keys.Unlink(keys.store().layers_db(), key);
    }
  }
  layer->Flush();
  ctx.reply.Ok();
}

constexpr Command Row(std::string_view name, int arity, uint32_t flags, Handler handler,
                      std::string_view summary) {
  return {name,    arity,  kLayerCommand | flags, kNoKeys, kCatSlow, handler, "layer",
          "0.2.0", summary};
}

constexpr Command kCommands[] = {
    Row("layer.flush", 2, kWrite, &LayerFlush, "Drops all messages and memberships of a layer."),
    Row("layer.get", 2, kReadOnly, &LayerGet, "Tells a layer's policy."),
    Row("layer.list", 1, kReadOnly, &LayerList, "Names the layers."),
    Row("layer.set", -2, kWrite | kDenyOom, &LayerSet, "Sets a layer's policy."),
    Row("layer.stats", 2, kReadOnly, &LayerStats, "Counts what a layer has done and holds."),
};

}  // namespace

std::span<const Command> LayerCommands() { return kCommands; }

}  // namespace chorale
