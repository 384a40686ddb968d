#include "bench/load/bench.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>

#include "bench/load/round.h"

namespace chorale::bench {
namespace {

constexpr absl::Duration kProgressEvery = absl::Milliseconds(250);

// Sockets are bounded by --connections and --processes; the limit is as high as it may be.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Bench::Bench(const Options& options, const Endpoint& endpoint)
    : options_(options),
      endpoint_(endpoint),
      shows_progress_(options.progress || isatty(STDERR_FILENO) != 0),
      control_(nullptr) {
  for (uint32_t i = 0; i < options.threads; ++i) loops_.push_back(std::make_unique<Loop>());
}

absl::StatusOr<std::unique_ptr<Bench>> Bench::Open(const Options& options) {
  RaiseDescriptorLimit();
  const absl::StatusOr<Endpoint> endpoint = Endpoint::Find(options.address);
  if (!endpoint.ok()) return endpoint.status();
  auto bench = std::unique_ptr<Bench>(new Bench(options, *endpoint));
  if (absl::Status status = bench->control_.Open(*endpoint); !status.ok()) return status;
  return bench;
}

Driver& Bench::AddDriver(size_t number, std::unique_ptr<Operations> operations) {
  return AddDriver(number, std::move(operations), options_.pipeline);
}

Driver& Bench::AddDriver(size_t number, std::unique_ptr<Operations> operations, size_t depth) {
  drivers_.push_back(std::make_unique<Driver>(loop(number), std::move(operations), depth));
  loop(number).AddDriver(*drivers_.back());
  return *drivers_.back();
}

absl::Status Bench::RunRound(int64_t nanoseconds, int64_t operations, bool measured) {
  const absl::StatusOr<std::optional<ProcessFigures>> before = Server();
  if (!before.ok()) return before.status();
  std::vector<int64_t> cpu_before;
  for (const auto& loop : loops_) cpu_before.push_back(loop->cpu_time);

  const int64_t begin = Now();
  const Round::Plan plan{begin, begin + nanoseconds, operations, options_.rate, measured};
  Round round(plan, static_cast<int>(drivers_.size()), [this] {
    for (const auto& loop : loops_) loop->Wake();
  });
  std::vector<std::thread> threads;
  size_t first_driver = 0;
  for (const auto& loop : loops_) {
    threads.emplace_back(&Loop::Run, loop.get(), std::ref(round), first_driver, drivers_.size());
    first_driver += loop->drivers().size();
  }
  while (!round.WaitUntilOver(kProgressEvery)) {
    ShowProgress(measured ? "measuring" : "warming up",
                 static_cast<double>(Now() - begin) / static_cast<double>(kSecond));
  }
  for (std::thread& thread : threads) thread.join();
  ShowProgress(nullptr, 0);
  if (absl::Status status = round.status(); !status.ok()) return status;

  last_round_ = round.ended() - begin;
  if (!measured) return absl::OkStatus();
  const absl::StatusOr<std::optional<ProcessFigures>> after = Server();
  if (!after.ok()) return after.status();
  AddUse(*before, *after, &result_);
  result_.nanoseconds += last_round_;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ProcessFigures>> Bench::Server() const {
  if (!options_.server_pid) return std::optional<ProcessFigures>();
  absl::StatusOr<ProcessFigures> figures = ReadProcess(*options_.server_pid);
  if (!figures.ok()) return figures.status();
  return std::optional<ProcessFigures>(*figures);
}

void Bench::AddUse(const std::optional<ProcessFigures>& before,
                   const std::optional<ProcessFigures>& after, Result* result) {
  if (!before || !after) return;
  if (!result->server) result->server.emplace();
  ProcessFigures& sum = *result->server;
  sum.cpu_nanoseconds += after->cpu_nanoseconds - before->cpu_nanoseconds;
  sum.user_ticks += after->user_ticks - before->user_ticks;
  sum.system_ticks += after->system_ticks - before->system_ticks;
  sum.voluntary_switches += after->voluntary_switches - before->voluntary_switches;
  sum.involuntary_switches += after->involuntary_switches - before->involuntary_switches;
  sum.resident_bytes = after->resident_bytes;
}

int64_t Bench::OperationsSoFar() const {
  int64_t sum = 0;
  for (const auto& loop : loops_) sum += loop->progress.value();
  return sum;
}

Result Bench::TakeResult() {
  Result result = std::move(result_);
  int64_t not_begun = 0;
  for (const auto& loop : loops_) {
    result.operations += loop->operations.value();
    result.errors += loop->errors.value();
    result.deliveries += loop->deliveries.value();
    result.latency.Add(loop->latency);
    result.delivery_latency.Add(loop->delivery_latency);
    result.loader_cpu += loop->cpu_time;
    const auto wall = static_cast<double>(std::max<int64_t>(result.nanoseconds, 1));
    result.busiest_thread =
        std::max(result.busiest_thread, static_cast<double>(loop->cpu_time) / wall);
    if (result.first_error.empty()) result.first_error = loop->first_error;
    not_begun += loop->not_begun;
  }
  if (options_.rate > 0) result.extras["not_begun"] = not_begun;
  return result;
}

// `phase` null: takes the line away.
void Bench::ShowProgress(const char* phase, double seconds) const {
  if (!shows_progress_) return;
  if (phase == nullptr) {
    std::fputs("\r\033[K", stderr);
    return;
  }
  std::fprintf(stderr, "\r\033[K%s: %s %.1f s, %lld operations", options_.workload.c_str(), phase,
               seconds, static_cast<long long>(OperationsSoFar()));
  std::fflush(stderr);
}

}  // namespace chorale::bench
