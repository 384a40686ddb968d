// INFO, and what it is made of for one key: MEMORY. https://redis.io/docs/latest/commands/info/

#include "broker/info.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/help.h"
#include "broker/memory.h"
#include "broker/server.h"
#include "storage/locked_keys.h"

namespace chorale {
namespace {

// Gives the shards back once the keys are counted; inside EXEC and scripts they are not ours to
// give.
KeyspaceSummary TakeSummary(CommandContext& ctx) {
  KeyspaceSummary summary = SummarizeKeyspace(ctx.keys);
  if (ctx.origin == CommandContext::Origin::kClient) ctx.keys.Release();
  return summary;
}

void Info(CommandContext& ctx) {
  const KeyspaceSummary summary = TakeSummary(ctx);
  std::vector<std::string> names;
  for (const std::string_view arg : ctx.args.subspan(1)) {
    names.push_back(absl::AsciiStrToLower(absl::string_view(arg.data(), arg.size())));
  }
  ctx.reply.Verbatim("txt", InfoText(ctx.server, summary, {names.begin(), names.end()}));
}

void MemoryUsage(CommandContext& ctx) {
  // Sizes are known exactly; the number of samples is read and makes no difference.
  for (size_t i = 3; i < ctx.args.size(); i += 2) {
    if (!IsWord(ctx.arg(i), "SAMPLES") || i + 1 == ctx.args.size()) {
      ctx.reply.Error(kSyntaxError);
      return;
    }
    const auto samples = ReadInteger(ctx, i + 1);
    if (!samples) return;
    if (*samples < 0) {
      ctx.reply.Error(kSyntaxError);
      return;
    }
  }
  const Entry* entry = ctx.keys.Find(ctx.db, ctx.arg(2));
  if (entry == nullptr) {
    ctx.reply.Null();
  } else {
    ctx.reply.Integer(static_cast<int64_t>(entry->MemoryUsage()));
  }
}

void MemoryStats(CommandContext& ctx) {
  const KeyspaceSummary summary = TakeSummary(ctx);
  uint64_t keys = 0;
  for (const auto& database : summary.databases) keys += database.keys;
  const uint64_t used = ctx.server.used_memory;
  const uint64_t startup = std::min(ctx.server.startup_memory(), used);
  const uint64_t resident = ResidentMemory();
  const uint64_t dataset = used - startup;
  const std::pair<std::string_view, uint64_t> integers[] = {
      {"peak.allocated", ctx.server.peak_memory},
      {"total.allocated", used},
      {"startup.allocated", startup},
      {"replication.backlog", 0},
      {"clients.slaves", 0},
      {"clients.normal", 0},
      {"cluster.links", 0},
      {"aof.buffer", 0},
      {"overhead.total", startup},
      {"keys.count", keys},
      {"keys.bytes-per-key", keys == 0 ? 0 : dataset / keys},
      {"dataset.bytes", dataset},
      {"allocator.allocated", used},
      {"allocator.resident", resident},
  };
  ctx.reply.MapHeader(std::size(integers) + 1);
  for (const auto& [name, value] : integers) {
    ctx.reply.Bulk(name);
    ctx.reply.Integer(static_cast<int64_t>(value));
  }
  ctx.reply.Bulk("fragmentation");
  ctx.reply.Double(used == 0 ? 0 : static_cast<double>(resident) / static_cast<double>(used));
}

void MemoryDoctor(CommandContext& ctx) {
  const uint64_t used = ctx.server.used_memory;
  const auto limit = static_cast<uint64_t>(ctx.server.config().maxmemory.load());
  std::string text = "Nothing unusual was found in the memory of this broker.\n";
  if (limit != 0 && used > limit / 10 * 9) {
    text = "More than nine tenths of maxmemory are in use; beyond it, writes are refused.\n";
  } else if (ResidentMemory() > 2 * used + (uint64_t{100} << 20)) {
    text = "The process holds far more memory than its data needs; MEMORY PURGE may free some.\n";
  }
  ctx.reply.Verbatim("txt", text);
}

void MemoryPurge(CommandContext& ctx) {
  ReleaseFreeMemory();
  ctx.reply.Ok();
}

void MallocStats(CommandContext& ctx) { ctx.reply.Verbatim("txt", AllocatorReport()); }

constexpr Command Row(std::string_view name, int arity, Handler handler, std::string_view summary,
                      uint32_t flags = 0, KeySpec keys = {}) {
  return {name, arity, flags, keys, kCatSlow, handler, "server", "4.0.0", summary};
}

constexpr Command kMemorySubcommands[] = {
    Row("doctor", 2, &MemoryDoctor, "Looks for what is unusual."),
    Row("help", 2, &Help, "Shows this text.", kLoading | kStale),
    Row("malloc-stats", 2, &MallocStats, "Answers the allocator's own figures."),
    Row("purge", 2, &MemoryPurge, "Gives free memory back to the system."),
    Row("stats", 2, &MemoryStats, "Answers what the memory is used for.", kAllShards),
    {"usage",
     -3,
     kReadOnly,
     {2, 2, 1},
     kCatRead | kCatSlow,
     &MemoryUsage,
     "server",
     "4.0.0",
     "Counts the bytes of a key and its value."},
};

constexpr Command kCommands[] = {
    {"info",
     -1,
     kLoading | kStale | kAllShards,
     {},
     kCatSlow | kCatDangerous,
     &Info,
     "server",
     "1.0.0",
     "Describes the broker, in the sections named."},
    {"memory",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "server",
     "4.0.0",
     "A container for questions about memory.",
     kMemorySubcommands},
};

}  // namespace

std::span<const Command> InfoCommands() { return kCommands; }

}  // namespace chorale
