// Replication and clusters, as far as clients of a broker without them need answers.
// https://redis.io/docs/latest/commands/role/

#include "broker/blocking.h"
#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/help.h"
#include "broker/pending_answer.h"
#include "broker/server.h"

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
  if (*local == 1) {
    ctx.reply.Error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    return;
  }
  if (*replicas > 0 && ctx.may_block()) {
    PendingAnswer::Await(ctx, *timeout_ms, "*2\r\n:0\r\n:0\r\n");
    return;
  }
  ctx.reply.ArrayHeader(2);
  ctx.reply.Integer(0);
  ctx.reply.Integer(0);
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
     "Waits for the append-only files of replicas, of which there are none."},
};

}  // namespace

std::span<const Command> ReplicationCommands() { return kCommands; }

}  // namespace chorale
