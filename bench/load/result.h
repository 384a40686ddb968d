// What a run has found.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "bench/load/histogram.h"
#include "bench/load/options.h"
#include "bench/load/server_process.h"

namespace chorale::bench {

struct Result {
  int64_t operations = 0;
  int64_t errors = 0;  // those of them that ended with an error
  std::string first_error;
  int64_t nanoseconds = 0;
  Histogram latency;
  // What the server's process has used in that time, and its resident memory at the end.
  std::optional<ProcessFigures> server;
  std::optional<double> system_calls_per_operation;
  int64_t loader_cpu = 0;
  double busiest_thread = 0;  // share of a core
  int64_t deliveries = 0;
  Histogram delivery_latency;
  // Figures of this workload alone.
  nlohmann::ordered_json extras = nlohmann::ordered_json::object();
};

// The result as the README describes it.
[[nodiscard]] nlohmann::ordered_json ToJson(const Options& options, const Result& result);

// The same for people, in a few lines.
[[nodiscard]] std::string ToText(const Options& options, const Result& result);

}  // namespace chorale::bench
