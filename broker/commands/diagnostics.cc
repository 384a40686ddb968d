// SLOWLOG and LATENCY: https://redis.io/docs/latest/commands/slowlog/,
// https://redis.io/docs/latest/commands/latency/

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "broker/command.h"
#include "broker/commands/arguments.h"
#include "broker/commands/help.h"
#include "broker/server.h"

namespace chorale {
namespace {

constexpr int64_t kDefaultSlowEntries = 10;

void SlowLogGet(CommandContext& ctx) {
  if (ctx.args.size() > 3) {
    WriteSubcommandSyntaxError(ctx);
    return;
  }
  int64_t wanted = kDefaultSlowEntries;
  if (ctx.args.size() == 3) {
    const auto count = ReadAtLeast(ctx, 2, -1, "ERR count should be greater than or equal to -1");
    if (!count) return;
    wanted = *count;
  }
  const auto entries = ctx.server.slowlog().Latest(wanted);
  ctx.reply.ArrayHeader(entries.size());
  for (const SlowLog::Entry& entry : entries) {
    ctx.reply.ArrayHeader(6);
    ctx.reply.Integer(entry.id);
    ctx.reply.Integer(entry.unix_seconds);
    ctx.reply.Integer(entry.duration_us);
    ctx.reply.ArrayHeader(entry.args.size());
    for (const std::string& arg : entry.args) ctx.reply.Bulk(arg);
    ctx.reply.Bulk(entry.client_address);
    ctx.reply.Bulk(entry.client_name);
  }
}

void SlowLogLen(CommandContext& ctx) {
  ctx.reply.Integer(static_cast<int64_t>(ctx.server.slowlog().size()));
}

void SlowLogReset(CommandContext& ctx) {
  ctx.server.slowlog().Clear();
  ctx.reply.Ok();
}

void LatencyLatest(CommandContext& ctx) {
  const auto events = ctx.server.latency().All();
  ctx.reply.ArrayHeader(events.size());
  for (const auto& [name, event] : events) {
    ctx.reply.ArrayHeader(4);
    ctx.reply.Bulk(name);
    ctx.reply.Integer(event.samples.back().unix_seconds);
    ctx.reply.Integer(event.samples.back().milliseconds);
    ctx.reply.Integer(event.worst_ms);
  }
}

void LatencyHistory(CommandContext& ctx) {
  const auto events = ctx.server.latency().All();
  const auto found = events.find(ctx.arg(2));
  if (found == events.end()) {
    ctx.reply.ArrayHeader(0);
    return;
  }
  ctx.reply.ArrayHeader(found->second.samples.size());
  for (const LatencyMonitor::Sample& sample : found->second.samples) {
    ctx.reply.ArrayHeader(2);
    ctx.reply.Integer(sample.unix_seconds);
    ctx.reply.Integer(sample.milliseconds);
  }
}

// One bar for each second that had a sample, as long as the slowest of them is slow.
void LatencyGraph(CommandContext& ctx) {
  constexpr int64_t kLongestBar = 50;
  const auto events = ctx.server.latency().All();
  const auto found = events.find(ctx.arg(2));
  if (found == events.end()) {
    ctx.reply.Error(fmt::format("ERR No samples available for event '{}'", ctx.arg(2)));
    return;
  }
  const auto& samples = found->second.samples;
  const auto slower = [](const auto& a, const auto& b) { return a.milliseconds < b.milliseconds; };
  const auto [low, high] = std::minmax_element(samples.begin(), samples.end(), slower);
  std::string text = fmt::format(
      "{}: from {} ms to {} ms in the last {} seconds with samples, {} ms at the worst\n",
      found->first, low->milliseconds, high->milliseconds, samples.size(), found->second.worst_ms);
  const int64_t most = std::max<int64_t>(1, high->milliseconds);
  for (const LatencyMonitor::Sample& sample : samples) {
    const int64_t bar = std::max<int64_t>(1, sample.milliseconds * kLongestBar / most);
    text += fmt::format("{:>8} s ago {:>8} ms  {}\n", ctx.now_ms() / 1000 - sample.unix_seconds,
                        sample.milliseconds, std::string(static_cast<size_t>(bar), '#'));
  }
  ctx.reply.Verbatim("txt", text);
}

void LatencyReset(CommandContext& ctx) {
  const auto names = ctx.args.subspan(2);
  ctx.reply.Integer(ctx.server.latency().Reset({names.begin(), names.end()}));
}

// Times are kept as sums per command (INFO commandstats), not as distributions.
void LatencyHistogram(CommandContext& ctx) { ctx.reply.MapHeader(0); }

void LatencyDoctor(CommandContext& ctx) {
  const int64_t threshold = ctx.server.config().latency_monitor_threshold_ms;
  if (threshold == 0) {
    ctx.reply.Verbatim("txt",
                       "Nothing is measured: CONFIG SET latency-monitor-threshold to the number of "
                       "milliseconds from which on an event is worth noting.\n");
    return;
  }
  std::string text;
  for (const auto& [name, event] : ctx.server.latency().All()) {
    text += name + ": " + std::to_string(event.samples.size()) +
            " seconds with events, the slowest took " + std::to_string(event.worst_ms) + " ms.\n";
  }
  if (text.empty()) {
    text = "Nothing took " + std::to_string(threshold) + " ms or more.\n";
  } else {
    text += "SLOWLOG GET shows the commands.\n";
  }
  ctx.reply.Verbatim("txt", text);
}

constexpr uint32_t kPlain = kLoading | kStale;

constexpr Command Row(std::string_view name, int arity, uint32_t flags, Handler handler,
                      std::string_view since, std::string_view summary) {
  return {name, arity, flags | kPlain, {}, kCatSlow, handler, "server", since, summary};
}

constexpr Command kSlowLogSubcommands[] = {
    Row("get", -2, kAdmin, &SlowLogGet, "2.2.12", "Answers the latest slow commands."),
    Row("help", 2, 0, &Help, "6.2.0", "Shows this text."),
    Row("len", 2, kAdmin, &SlowLogLen, "2.2.12", "Counts the slow commands kept."),
    Row("reset", 2, kAdmin, &SlowLogReset, "2.2.12", "Forgets the slow commands."),
};

constexpr uint32_t kLatency = kAdmin | kNoScript;
constexpr std::string_view kSince = "2.8.13";

constexpr Command kLatencySubcommands[] = {
    Row("doctor", 2, kLatency, &LatencyDoctor, kSince, "Sums up in words what was slow."),
    Row("graph", 3, kLatency, &LatencyGraph, kSince, "Draws the samples of an event."),
    Row("help", 2, 0, &Help, kSince, "Shows this text."),
    Row("histogram", -2, kLatency, &LatencyHistogram, "7.0.0",
        "Answers no distribution; INFO commandstats has sums."),
    Row("history", 3, kLatency, &LatencyHistory, kSince, "Answers the samples of an event."),
    Row("latest", 2, kLatency, &LatencyLatest, kSince, "Answers the latest sample of each event."),
    Row("reset", -2, kLatency, &LatencyReset, kSince, "Forgets events, all or those named."),
};

constexpr Command kCommands[] = {
    {"latency",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "server",
     kSince,
     "A container for what was slow.",
     kLatencySubcommands},
    {"slowlog",
     -2,
     0,
     {},
     kCatSlow,
     nullptr,
     "server",
     "2.2.12",
     "A container for the log of slow commands.",
     kSlowLogSubcommands},
};

}  // namespace

std::span<const Command> DiagnosticsCommands() { return kCommands; }

}  // namespace chorale
