// What is done to the server. One object for each run; the main thread's.

#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "bench/load/bench.h"
#include "bench/load/options.h"

namespace chorale::bench {

class Workload {
 public:
  virtual ~Workload() = default;

  // Makes drivers, opens connections, fills in data.
  [[nodiscard]] virtual absl::Status Prepare(Bench& bench) = 0;
  // Loads the server and measures. By default: rounds of warm-up, then measured ones.
  [[nodiscard]] virtual absl::Status Measure(Bench& bench);

 protected:
  // For workloads that use up data: how many operations a round has at most, and what has to be
  // done before each. That is not measured.
  virtual int64_t OperationsPerRound() const;
  virtual absl::Status BeforeRound(Bench&) { return absl::OkStatus(); }

 private:
  absl::Status RunRounds(Bench& bench, int64_t nanoseconds, bool measured);
  absl::Status CountSystemCalls(Bench& bench);
};

struct WorkloadRow {
  std::string_view name;
  std::string_view about;
  Defaults defaults;
  std::unique_ptr<Workload> (*make)(const Options& options);
};

[[nodiscard]] std::span<const WorkloadRow> AllWorkloads();
// nullptr if there is none of that name.
[[nodiscard]] const WorkloadRow* FindWorkload(std::string_view name);

}  // namespace chorale::bench
