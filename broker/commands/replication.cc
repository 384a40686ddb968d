// Replication and clusters, as far as clients of a broker without them need answers.
// https://redis.io/docs/latest/commands/role/

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "broker/blocking.h"
#include "broker/client.h"
#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/help.h"
#include "broker/connection.h"
#include "broker/dispatch.h"
#include "broker/pending_answer.h"
#include "broker/server.h"
#include "protocol/reply_writer.h"

namespace chorale {
namespace {

void Role(CommandContext& ctx) {
  ctx.reply.ArrayHeader(3);
  ctx.reply.Bulk("master");
  ctx.reply.Integer(0);
  ctx.reply.ArrayHeader(0);
}

// No replica will ever confirm, so the answer comes when the time is over.
void Wait(CommandContext& ctx) {
  const auto replicas = ReadInteger(ctx, 1);
  if (!replicas) return;
  const auto timeout_ms = ParseMilliseconds(ctx, ctx.arg(2));
  if (!timeout_ms) return;
  if (*replicas <= 0 || !ctx.may_block()) {
    ctx.reply.Integer(0);
    return;
  }
  PendingAnswer::Await(ctx, *timeout_ms, ":0\r\n");
}

std::string WaitAofReply(bool local) {
  std::string reply;
  ReplyWriter writer(&reply, 2);
  writer.ArrayHeader(2);
  writer.Integer(local ? 1 : 0);
  writer.Integer(0);
  return reply;
}

// The answer comes when what the client has written is on disk, or, if it waits for replicas, when
// the time is over.
// https://redis.io/docs/latest/commands/waitaof/
void AwaitDisk(CommandContext& ctx, bool for_replicas, int64_t timeout_ms) {
  const auto answer = PendingAnswer::Await(ctx, timeout_ms, WaitAofReply(false));
  Server& server = ctx.server;
  server.Save(Server::Purpose::kAwaitDisk, [&server, answer, for_replicas](const auto& status) {
    if (!status.ok()) {
      std::string reply;
      ReplyWriter(&reply, 2).Error(DiskError(server));
      PendingAnswer::Give(answer, std::move(reply));
    } else if (for_replicas) {
      PendingAnswer::GiveOnTimeout(answer, WaitAofReply(true));
    } else {
      PendingAnswer::Give(answer, WaitAofReply(true));
    }
  });
}

void WaitAof(CommandContext& ctx) {
  const auto local = ReadInteger(ctx, 1);
  if (!local) return;
  const auto replicas = ReadAtLeast(ctx, 2, 0, kMustBePositive);
  if (!replicas) return;
  const auto timeout_ms = ParseMilliseconds(ctx, ctx.arg(3));
  if (!timeout_ms) return;
  if (*local < 0 || *local > 1) {
    ctx.reply.Error("ERR value is out of range, value must between 0 and 1");
    return;
  }
  const Journal* const journal = ctx.server.journal();
  if (*local == 1 && journal == nullptr) {
    ctx.reply.Error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    return;
  }
  if (*local == 1 && !journal->syncs()) {
    ctx.reply.Error("ERR WAITAOF cannot be used when numlocal is set but appendfsync is no.");
    return;
  }
  // What a transaction has written until here is noted at its end.
  constexpr uint64_t kAnything = std::numeric_limits<uint64_t>::max();
  const uint64_t written = ctx.may_block() ? ctx.client.connection.needed_round() : kAnything;
  const bool on_disk = journal != nullptr && journal->syncs() && journal->OnDisk(written);
  const bool enough = on_disk || *local == 0;
  if ((enough && *replicas == 0) || !ctx.may_block()) {
    ctx.reply.out() += WaitAofReply(on_disk);
  } else if (enough) {
    PendingAnswer::Await(ctx, *timeout_ms, WaitAofReply(on_disk));
  } else if (journal->failed()) {
    ctx.reply.Error(DiskError(ctx.server));
  } else {
    AwaitDisk(ctx, *replicas > 0, *timeout_ms);
  }
}

void ReplicaOf(CommandContext& ctx) {
  if (IsWord(ctx.arg(1), "NO") && IsWord(ctx.arg(2), "ONE")) {
    ctx.reply.Ok();
  } else {
    ctx.reply.Error("ERR Replication is not supported: this broker cannot become a replica");
  }
}

void NoCluster(CommandContext& ctx) {
  ctx.reply.Error("ERR This instance has cluster support disabled");
}

constexpr Command ClusterRow(std::string_view name, int arity, std::string_view since,
                             std::string_view summary) {
  return {name, arity, kStale, {}, kCatSlow, &NoCluster, "cluster", since, summary};
}

constexpr Command kClusterSubcommands[] = {
    ClusterRow("countkeysinslot", 3, "3.0.0", "Refused: there is no cluster."),
    ClusterRow("getkeysinslot", 4, "3.0.0", "Refused: there is no cluster."),
    {"help", 2, kLoading | kStale, {}, kCatSlow, &Help, "cluster", "5.0.0", "Shows this text."},
    ClusterRow("info", 2, "3.0.0", "Refused: there is no cluster."),
    ClusterRow("keyslot", 3, "3.0.0", "Refused: there is no cluster."),
    ClusterRow("myid", 2, "3.0.0", "Refused: there is no cluster."),
    ClusterRow("nodes", 2, "3.0.0", "Refused: there is no cluster."),
    ClusterRow("shards", 2, "7.0.0", "Refused: there is no cluster."),
    ClusterRow("slots", 2, "3.0.0", "Refused: there is no cluster."),
};

constexpr uint32_t kReplicaFlags = kAdmin | kNoScript | kStale;

constexpr Command NoClusterRow(std::string_view name, uint32_t flags) {
  return {name,
          1,
          flags,
          {},
          kCatFast | kCatConnection,
          &NoCluster,
          "cluster",
          "3.0.0",
          "Refused: there is no cluster."};
}

constexpr Command kCommands[] = {
    NoClusterRow("asking", kFast),
    {"cluster",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "cluster",
     "3.0.0",
     "A container for commands of a cluster, which this broker is not.",
     kClusterSubcommands},
    NoClusterRow("readonly", kLoading | kStale | kFast),
    NoClusterRow("readwrite", kLoading | kStale | kFast),
    {"replicaof",
     3,
     kReplicaFlags,
     {},
     kCatSlow,
     &ReplicaOf,
     "server",
     "5.0.0",
     "Accepts NO ONE; replication is not supported."},
    {"role",
     1,
     kNoScript | kLoading | kStale | kFast,
     {},
     kCatAdmin | kCatFast | kCatDangerous,
     &Role,
     "server",
     "2.8.12",
     "Answers that the broker is a master without replicas."},
    {"slaveof",
     3,
     kReplicaFlags,
     {},
     kCatSlow,
     &ReplicaOf,
     "server",
     "1.0.0",
     "The older name of REPLICAOF."},
    {"wait",
     3,
     kNoScript,
     {},
     kCatSlow | kCatConnection,
     &Wait,
     "generic",
     "3.0.0",
     "Waits for replicas, of which there are none, until its time is over."},
    {"waitaof",
     4,
     kNoScript,
     {},
     kCatSlow | kCatConnection,
     &WaitAof,
     "generic",
     "7.2.0",
     "Waits until what the client has written is in the data directory."},
};

}  // namespace

std::span<const Command> ReplicationCommands() { return kCommands; }

}  // namespace chorale
