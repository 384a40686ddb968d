#include "bench/load/result.h"

#include <absl/strings/str_format.h>

#include <algorithm>

namespace chorale::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<const char*, double> kPercentiles[] = {
    {"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"p99.9", 99.9}};

double Microseconds(double nanoseconds) { return nanoseconds / 1000; }

double PerOperation(double sum, const Result& result) {
  return sum / static_cast<double>(std::max<int64_t>(result.operations, 1));
}

double Throughput(const Result& result) {
  return static_cast<double>(result.operations) * 1e9 /
         static_cast<double>(std::max<int64_t>(result.nanoseconds, 1));
}

Json LatencyJson(const Histogram& histogram) {
  Json json;
  json["mean"] = Microseconds(histogram.Mean());
  for (const auto& [name, percent] : kPercentiles) {
    json[name] = Microseconds(histogram.Percentile(percent));
  }
  json["max"] = Microseconds(static_cast<double>(histogram.largest()));
  return json;
}

Json SettingsJson(const Options& options) {
  Json json;
  json["host"] = options.address.host;
  json["port"] = options.address.port;
  json["unixsocket"] = options.address.unix_path;
  json["threads"] = options.threads;
  json["connections"] = options.connections;
  json["pipeline"] = options.pipeline;
  json["seconds"] = options.seconds;
  json["warmup"] = options.warmup;
  json["rate"] = options.rate;
  json["keys"] = options.keys;
  json["distribution"] = DistributionName(options.distribution);
  json["value_size"] = options.value_size;
  json["members"] = options.members;
  json["processes"] = options.processes;
  json["server_pid"] = options.server_pid ? Json(*options.server_pid) : Json(nullptr);
  return json;
}

struct ServerCpu {
  double total, user, system;  // microseconds per operation
};

ServerCpu CpuOf(const ProcessFigures& server, const Result& result) {
  const auto total = Microseconds(static_cast<double>(server.cpu_nanoseconds));
  const int64_t ticks = std::max<int64_t>(server.user_ticks + server.system_ticks, 1);
  const double user = total * static_cast<double>(server.user_ticks) / static_cast<double>(ticks);
  return {PerOperation(total, result), PerOperation(user, result),
          PerOperation(total - user, result)};
}

Json ServerJson(const Result& result) {
  if (!result.server) return nullptr;
  const ServerCpu cpu = CpuOf(*result.server, result);
  Json json;
  json["cpu_us_per_operation"] = cpu.total;
  json["user_us_per_operation"] = cpu.user;
  json["system_us_per_operation"] = cpu.system;
  json["resident_bytes"] = result.server->resident_bytes;
  json["voluntary_switches"] = result.server->voluntary_switches;
  json["involuntary_switches"] = result.server->involuntary_switches;
  json["system_calls_per_operation"] = nullptr;
  if (result.system_calls_per_operation) {
    json["system_calls_per_operation"] = *result.system_calls_per_operation;
  }
  return json;
}

double PerDelivery(const Result& result) {
  return Microseconds(static_cast<double>(result.server->cpu_nanoseconds)) /
         static_cast<double>(result.deliveries);
}

std::string LatencyText(std::string_view name, const Histogram& histogram) {
  std::string text = absl::StrFormat("%-12smean %.1f", absl::string_view(name.data(), name.size()),
                                     Microseconds(histogram.Mean()));
  for (const auto& [label, percent] : kPercentiles) {
    absl::StrAppendFormat(&text, ", %s %.1f", label, Microseconds(histogram.Percentile(percent)));
  }
  absl::StrAppendFormat(&text, ", max %.1f us\n",
                        Microseconds(static_cast<double>(histogram.largest())));
  return text;
}

std::string ServerText(const Result& result) {
  const ServerCpu cpu = CpuOf(*result.server, result);
  std::string text = absl::StrFormat(
      "server      %.3f us of CPU per operation (user %.3f, system %.3f), %.1f MB resident, "
      "%d + %d context switches\n",
      cpu.total, cpu.user, cpu.system, static_cast<double>(result.server->resident_bytes) / 1e6,
      result.server->voluntary_switches, result.server->involuntary_switches);
  if (result.deliveries > 0) {
    absl::StrAppendFormat(&text, "            %.3f us of CPU per delivery\n", PerDelivery(result));
  }
  if (result.system_calls_per_operation) {
    absl::StrAppendFormat(&text, "            %.3f system calls per operation\n",
                          *result.system_calls_per_operation);
  }
  return text;
}

}  // namespace

Json ToJson(const Options& options, const Result& result) {
  Json json;
  json["workload"] = options.workload;
  json["settings"] = SettingsJson(options);
  json["operations"] = result.operations;
  json["errors"] = result.errors;
  if (!result.first_error.empty()) json["first_error"] = result.first_error;
  json["seconds"] = static_cast<double>(result.nanoseconds) / 1e9;
  json["throughput"] = Throughput(result);
  json["latency_us"] = LatencyJson(result.latency);
  json["server"] = ServerJson(result);
  json["loader"]["cpu_us_per_operation"] =
      PerOperation(Microseconds(static_cast<double>(result.loader_cpu)), result);
  json["loader"]["busiest_thread"] = result.busiest_thread;
  if (result.deliveries > 0) {
    json["deliveries"] = result.deliveries;
    json["delivery_latency_us"] = LatencyJson(result.delivery_latency);
    if (result.server) json["server_cpu_us_per_delivery"] = PerDelivery(result);
  }
  json.update(result.extras);
  return json;
}

std::string ToText(const Options& options, const Result& result) {
  std::string text = absl::StrFormat(
      "%s: %d connections, pipeline %d, %s\n", options.workload, options.connections,
      options.pipeline,
      options.rate > 0 ? absl::StrFormat("%.0f operations/s asked for", options.rate)
                       : "closed loop");
  absl::StrAppendFormat(&text, "throughput  %.0f operations/s (%d in %.2f s, %d errors)\n",
                        Throughput(result), result.operations,
                        static_cast<double>(result.nanoseconds) / 1e9, result.errors);
  if (!result.first_error.empty()) {
    absl::StrAppendFormat(&text, "first error %s\n", result.first_error);
  }
  if (result.latency.count() > 0) text += LatencyText("latency", result.latency);
  if (result.deliveries > 0) {
    absl::StrAppendFormat(&text, "deliveries  %d\n", result.deliveries);
    text += LatencyText("their time", result.delivery_latency);
  }
  if (result.server) text += ServerText(result);
  absl::StrAppendFormat(&text,
                        "loader      %.3f us of CPU per operation, busiest thread %.0f %% of a "
                        "core\n",
                        PerOperation(Microseconds(static_cast<double>(result.loader_cpu)), result),
                        result.busiest_thread * 100);
  for (const auto& [name, value] : result.extras.items()) {
    absl::StrAppendFormat(&text, "%-11s %s\n", name, value.dump());
  }
  return text;
}

}  // namespace chorale::bench
