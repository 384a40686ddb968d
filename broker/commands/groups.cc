// GROUP.*: messages to all channels of a group. Reference: protocol/README.md.

#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/container/btree_map.h"
#include "broker/commands/arguments.h"
#include "broker/commands/layers.h"
#include "broker/server.h"
#include "storage/glob.h"
#include "storage/layers/names.h"

namespace chorale {
namespace {

// The channels from argument 3 on, by mailbox; the general ones under the empty name.
using ByMailbox = absl::btree_map<std::string_view, std::vector<std::string_view>>;

// If all names are valid.
std::optional<ByMailbox> ReadMembers(CommandContext& ctx) {
  if (!CheckGroup(ctx, ctx.arg(2))) return std::nullopt;
  ByMailbox channels;
  for (const std::string_view channel : ctx.args.subspan(3)) {
    if (!CheckChannel(ctx, channel)) return std::nullopt;
    channels[MailboxOf(channel)].push_back(channel);
  }
  if (!CheckLayer(ctx)) return std::nullopt;
  return channels;
}

void GroupAdd(CommandContext& ctx) {
  const auto by_mailbox = ReadMembers(ctx);
  if (!by_mailbox) return;
  const auto layer = ReadLayer(ctx);
  if (layer == nullptr) return;
  const std::string group(ctx.arg(2));
  const int64_t expires_at_ms = ctx.now_ms() + layer->policy()->group_expiry_ms;
  size_t changed = 0;
  for (const auto& [mailbox, channels] : *by_mailbox) {
    std::optional<size_t> joined;
    if (mailbox.empty())
      joined = layer->groups().Join(group, channels, expires_at_ms, ctx.now_ms());
    while (!joined) {
      joined = layer->MailboxFor(mailbox, ctx.now_ms())
                   ->Join(group, channels, expires_at_ms, ctx.now_ms());
    }
    changed += *joined;
  }
  ctx.reply.Integer(static_cast<int64_t>(changed));
}

void GroupDiscard(CommandContext& ctx) {
  const auto by_mailbox = ReadMembers(ctx);
  if (!by_mailbox) return;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  if (layer == nullptr) return ctx.reply.Integer(0);
  const std::string group(ctx.arg(2));
  size_t changed = 0;
  for (const auto& [name, channels] : *by_mailbox) {
    if (name.empty()) {
      changed += layer->groups().Discard(group, channels, ctx.now_ms());
    } else if (const auto mailbox = layer->FindMailbox(name); mailbox != nullptr) {
      changed += mailbox->Discard(group, channels, ctx.now_ms()).value_or(0);
    }
  }
  ctx.reply.Integer(static_cast<int64_t>(changed));
}

void GroupSend(CommandContext& ctx) {
  if (!CheckGroup(ctx, ctx.arg(2)) || !CheckMessage(ctx, ctx.arg(3))) return;
  const auto layer = ReadLayer(ctx);
  if (layer == nullptr) return;
  const auto policy = layer->policy();
  const std::string group(ctx.arg(2));
  // Empty between two commands; its room is kept.
  thread_local GroupIndex::Snapshot members;
  const absl::Cleanup cleared = [] {
    members.mailboxes.clear();
    members.channels.clear();
  };
  layer->groups().Find(group, ctx.now_ms(), members);
  LayerCounters& counters = layer->counters();
  Add(counters.group_sends);
  Mailbox::Reached total;
  if (!members.mailboxes.empty()) {
    const auto message = std::make_shared<const std::string>(ctx.arg(3));
    for (const auto& mailbox : members.mailboxes) {
      const Mailbox::Reached reached = mailbox->SendToGroup(group, message, *policy, ctx.now_ms());
      total.channels += reached.channels;
      total.full += reached.full;
    }
  }
  for (const std::string& channel : members.channels) {
    LockedKeys keys(ctx.keys.store(), ctx.now_ms());
    const bool locked = keys.Lock(Store::MaskOf(QueueKeyText(layer->name(), channel)),
                                  [&] { return ctx.server.script_busy(); });
    const bool pushed = locked && PushToQueue(keys, *layer, channel, ctx.arg(3), *policy);
    ++(pushed ? total.channels : total.full);
    Add(pushed ? counters.group_messages : counters.group_full);
  }
  ctx.reply.ArrayHeader(2);
  ctx.reply.Integer(total.channels);
  ctx.reply.Integer(total.full);
}

// nullopt if a name is not valid.
std::optional<std::vector<std::string>> FindMembers(CommandContext& ctx) {
  if (!CheckGroup(ctx, ctx.arg(2)) || !CheckLayer(ctx)) return std::nullopt;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  if (layer == nullptr) return std::vector<std::string>();
  const std::string group(ctx.arg(2));
  GroupIndex::Snapshot members = layer->groups().Find(group, ctx.now_ms());
  std::vector<std::string> names = std::move(members.channels);
  for (const auto& mailbox : members.mailboxes) {
    for (std::string& name : mailbox->MembersOf(group, ctx.now_ms())) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

void GroupMembers(CommandContext& ctx) {
  const auto names = FindMembers(ctx);
  if (!names) return;
  ctx.reply.ArrayHeader(names->size());
  for (const std::string& name : *names) ctx.reply.Bulk(name);
}

void GroupCount(CommandContext& ctx) {
  const auto names = FindMembers(ctx);
  if (!names) return;
  ctx.reply.Integer(static_cast<int64_t>(names->size()));
}

void GroupList(CommandContext& ctx) {
  std::string_view pattern = "*";
  if (ctx.args.size() > 2) {
    if (ctx.args.size() != 4 || !IsWord(ctx.arg(2), "MATCH")) return ctx.reply.Error(kSyntaxError);
    pattern = ctx.arg(3);
  }
  if (!CheckLayer(ctx)) return;
  const auto layer = ctx.server.layers().Find(ctx.arg(1));
  std::vector<std::string> names;
  if (layer != nullptr) names = layer->groups().Names();
  std::erase_if(names, [&](const std::string& name) { return !GlobMatches(pattern, name); });
  ctx.reply.ArrayHeader(names.size());
  for (const std::string& name : names) ctx.reply.Bulk(name);
}

constexpr Command Row(std::string_view name, int arity, uint32_t flags, Handler handler,
                      std::string_view summary) {
  return {name,    arity,  kLayerCommand | flags, kNoKeys, kCatSlow, handler, "layer",
          "0.2.0", summary};
}

constexpr Command kCommands[] = {
    Row("group.add", -4, kWrite | kDenyOom, &GroupAdd, "Adds channels to a group."),
    Row("group.count", 3, kReadOnly, &GroupCount, "Counts the channels of a group."),
    Row("group.discard", -4, kWrite, &GroupDiscard, "Takes channels out of a group."),
    Row("group.list", -2, kReadOnly, &GroupList, "Names the groups of a layer."),
    Row("group.members", 3, kReadOnly, &GroupMembers, "Names the channels of a group."),
    Row("group.send", 4, kWrite | kDenyOom, &GroupSend,
        "Sends a message to all channels of a group."),
};

}  // namespace

std::span<const Command> GroupCommands() { return kCommands; }

}  // namespace chorale
