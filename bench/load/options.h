// What the command line asks for.

#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bench/load/key_choice.h"
#include "clients/cpp/options.h"

namespace chorale::bench {

// The workload's own values of options that were not given.
struct Defaults {
  uint32_t connections = 50;
  uint32_t keys = 100'000;
  uint32_t value_size = 3;
  uint32_t members = 1;
  uint32_t processes = 1;
  uint32_t deepest_pipeline = 10'000;
  uint32_t least_value_size = 0;
};

struct Options {
  std::string workload;
  client::Address address;
  uint32_t threads = 1;
  uint32_t connections = 0;
  uint32_t pipeline = 1;
  double seconds = 5;
  double warmup = 1;
  double rate = 0;  // operations per second; 0: a closed loop
  uint32_t keys = 0;
  Distribution distribution = Distribution::kUniform;
  uint32_t value_size = 0;
  uint32_t members = 0;
  uint32_t processes = 0;
  std::optional<pid_t> server_pid;
  std::string json;  // a file, or - for standard output; empty: none
  bool progress = false;
  bool list = false;
  bool help = false;
};

[[nodiscard]] std::string_view DistributionName(Distribution distribution);

// `defaults` knows the workloads: null for a name that is none.
[[nodiscard]] absl::StatusOr<Options> ReadOptions(
    std::span<const std::string_view> words, const Defaults* (*defaults)(std::string_view name));

// How to call the program, for people.
[[nodiscard]] std::string_view Usage();

}  // namespace chorale::bench
