// chorale-bench: loads a server that speaks RESP and reports what that costs. bench/README.md.

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/bench.h"
#include "bench/load/options.h"
#include "bench/load/result.h"
#include "bench/load/workload.h"

namespace {

using chorale::bench::Options;
using chorale::bench::Result;

int Fail(std::string_view why) {
  std::fprintf(stderr, "chorale-bench: %.*s\n", static_cast<int>(why.size()), why.data());
  return 1;
}

int Fail(const absl::Status& status) {
  return Fail(std::string_view(status.message().data(), status.message().size()));
}

const chorale::bench::Defaults* DefaultsOf(std::string_view name) {
  const chorale::bench::WorkloadRow* const row = chorale::bench::FindWorkload(name);
  return row == nullptr ? nullptr : &row->defaults;
}

void List() {
  for (const chorale::bench::WorkloadRow& row : chorale::bench::AllWorkloads()) {
    std::printf("%-29.*s %.*s\n", static_cast<int>(row.name.size()), row.name.data(),
                static_cast<int>(row.about.size()), row.about.data());
  }
}

bool Report(const Options& options, const Result& result) {
  const std::string json = options.json.empty() ? "" : ToJson(options, result).dump(2) + "\n";
  if (options.json == "-") {
    std::fputs(json.c_str(), stdout);
    return true;
  }
  std::fputs(ToText(options, result).c_str(), stdout);
  if (options.json.empty()) return true;
  std::ofstream file(options.json);
  file << json;
  file.close();
  return !file.fail();
}

absl::StatusOr<Result> Run(const Options& options) {
  const auto bench = chorale::bench::Bench::Open(options);
  if (!bench.ok()) return bench.status();
  const auto workload = chorale::bench::FindWorkload(options.workload)->make(options);
  absl::Status status = workload->Prepare(**bench);
  if (status.ok()) status = workload->Measure(**bench);
  if (!status.ok()) return status;
  return (*bench)->TakeResult();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const absl::StatusOr<Options> options = chorale::bench::ReadOptions(words, DefaultsOf);
  if (!options.ok()) return Fail(options.status());
  if (options->help) std::fputs(chorale::bench::Usage().data(), stdout);
  if (options->list) List();
  if (options->help || options->list) return 0;
  const absl::StatusOr<Result> result = Run(*options);
  if (!result.ok()) return Fail(result.status());
  if (!Report(*options, *result)) return Fail("cannot write " + options->json);
  return 0;
}
