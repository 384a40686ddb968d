#include "bench/load/workload.h"

#include <algorithm>

#include "bench/load/round.h"
#include "bench/load/system_calls.h"

namespace chorale::bench {
namespace {

int64_t Nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

// System calls are counted in a round of their own, so long, because counting them costs the server
// time. Their number for each operation hardly varies: a short one tells it.
constexpr int64_t kLongestCounting = kSecond / 10;

// What preparing rounds may take in all: so long, and so many times the time that is asked for.
constexpr int64_t kLongestPreparing = 60 * kSecond;
constexpr int64_t kMostPreparing = 10;

}  // namespace

int64_t Workload::OperationsPerRound() const { return Round::kAnyNumber; }

absl::Status Workload::Measure(Bench& bench) {
  const Options& options = bench.options();
  absl::Status status = RunRounds(bench, Nanoseconds(options.warmup), false);
  if (status.ok()) status = RunRounds(bench, Nanoseconds(options.seconds), true);
  if (status.ok() && options.server_pid) status = CountSystemCalls(bench);
  return status;
}

absl::Status Workload::RunRounds(Bench& bench, int64_t nanoseconds, bool measured) {
  const int64_t deadline = Now() + kLongestPreparing + kMostPreparing * nanoseconds;
  while (nanoseconds > 0) {
    if (Now() > deadline) {
      return absl::DeadlineExceededError(
          "making new data takes much longer than using it up: more --keys");
    }
    if (absl::Status status = BeforeRound(bench); !status.ok()) return status;
    absl::Status status = bench.RunRound(nanoseconds, OperationsPerRound(), measured);
    if (!status.ok()) return status;
    nanoseconds -= bench.last_round();
  }
  return absl::OkStatus();
}

absl::Status Workload::CountSystemCalls(Bench& bench) {
  const SystemCalls calls(*bench.options().server_pid);
  const std::optional<int64_t> before = calls.Count();
  if (!before) return absl::OkStatus();
  const int64_t operations_before = bench.OperationsSoFar();
  const int64_t time = std::min(Nanoseconds(bench.options().seconds), kLongestCounting);
  if (absl::Status status = BeforeRound(bench); !status.ok()) return status;
  const std::optional<int64_t> begin = calls.Count();
  absl::Status status = bench.RunRound(time, OperationsPerRound(), false);
  const std::optional<int64_t> after = calls.Count();
  const int64_t operations = bench.OperationsSoFar() - operations_before;
  if (begin && after && operations > 0) {
    bench.result().system_calls_per_operation =
        static_cast<double>(*after - *begin) / static_cast<double>(operations);
  }
  return status;
}

const WorkloadRow* FindWorkload(std::string_view name) {
  for (const WorkloadRow& row : AllWorkloads()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace chorale::bench
