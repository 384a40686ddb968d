// chorale-micro: Google Benchmark's program, with its options, and --allocation_sites, which shows
// below each benchmark's figures where it allocates. Exit code 1 if a benchmark reports an error.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "bench/micro/allocations.h"
#include "broker/log.h"

namespace {

// The library's own reporter, and what it does not do.
class Reporter final : public benchmark::BenchmarkReporter {
 public:
  explicit Reporter(benchmark::BenchmarkReporter* inner) : inner_(inner) {}

  bool failed() const { return failed_; }

  bool ReportContext(const Context& context) override { return inner_->ReportContext(context); }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) failed_ |= run.error_occurred;
    inner_->ReportRuns(runs);
    chorale::bench::PrintAllocationSites(GetOutputStream());
  }
  void Finalize() override { inner_->Finalize(); }

 private:
  const std::unique_ptr<benchmark::BenchmarkReporter> inner_;
  bool failed_ = false;
};

// True if it was there.
bool TakeOption(std::string_view option, int* argc, char** argv) {
  for (int i = 1; i < *argc; ++i) {
    if (argv[i] != option) continue;
    for (--*argc; i < *argc; ++i) argv[i] = argv[i + 1];
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef NDEBUG
  // As in the broker: what Debian's Abseil does here costs more than the locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  chorale::SetLogLevel(3);
  if (TakeOption("--allocation_sites", &argc, argv)) chorale::bench::TraceAllocationSites();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  Reporter reporter(benchmark::CreateDefaultDisplayReporter());
  const size_t matched = benchmark::RunSpecifiedBenchmarks(&reporter);
  if (matched == 0) std::fputs("chorale-micro: no benchmark matches the filter\n", stderr);
  benchmark::Shutdown();
  return matched == 0 || reporter.failed() ? 1 : 0;
}
