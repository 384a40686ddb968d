#include "bench/load/options.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/numbers.h"

namespace chorale::bench {
namespace {

constexpr std::array<std::pair<std::string_view, Distribution>, 3> kDistributions = {{
    {"uniform", Distribution::kUniform},
    {"zipf", Distribution::kZipf},
    {"hot", Distribution::kHot},
}};

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Bad(std::string_view option, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(View(option), " wants ", View(what)));
}

// What an option's value is, and where it goes. The bounds keep what a run takes in memory, sockets
// and time.
struct Text {
  std::string* into;
};
struct Count {
  uint64_t least, most;
  std::function<void(uint64_t)> set;
};
struct Amount {
  double least, most;
  double* into;
};
struct Choice {
  Distribution* into;
};
struct Row {
  std::string_view option;
  std::variant<Text, Count, Amount, Choice> value;
};

std::vector<Row> RowsFor(Options* options) {
  const auto count = [](uint64_t least, uint64_t most, auto* into) {
    return Count{least, most, [into](uint64_t number) {
                   *into = static_cast<std::remove_reference_t<decltype(*into)>>(number);
                 }};
  };
  const auto pid = [options](uint64_t number) { options->server_pid = static_cast<pid_t>(number); };
  return {
      {"--workload", Text{&options->workload}},
      {"--host", Text{&options->address.host}},
      {"--port", count(1, 65535, &options->address.port)},
      {"--unixsocket", Text{&options->address.unix_path}},
      {"--threads", count(1, 64, &options->threads)},
      {"--connections", count(1, 50'000, &options->connections)},
      {"--pipeline", count(1, 10'000, &options->pipeline)},
      {"--seconds", Amount{0.01, 3600, &options->seconds}},
      {"--warmup", Amount{0, 600, &options->warmup}},
      {"--rate", Amount{0, 1e8, &options->rate}},
      {"--keys", count(1, 100'000'000, &options->keys)},
      {"--distribution", Choice{&options->distribution}},
      {"--value-size", count(1, 1 << 20, &options->value_size)},
      {"--members", count(1, 100'000, &options->members)},
      {"--processes", count(1, 10'000, &options->processes)},
      {"--server-pid", Count{1, 1 << 22, pid}},
      {"--json", Text{&options->json}},
  };
}

absl::Status Read(std::string_view, std::string_view text, const Text& value) {
  *value.into = text;
  return absl::OkStatus();
}

absl::Status Read(std::string_view option, std::string_view text, const Count& value) {
  const std::optional<uint64_t> number = ParseUint64(text);
  if (!number || *number < value.least || *number > value.most) {
    return Bad(option, absl::StrCat("an integer from ", value.least, " to ", value.most));
  }
  value.set(*number);
  return absl::OkStatus();
}

absl::Status Read(std::string_view option, std::string_view text, const Amount& value) {
  const std::optional<double> number = ParseDouble(text);
  if (!number || !(*number >= value.least && *number <= value.most)) {
    return Bad(option, absl::StrCat("a number from ", value.least, " to ", value.most));
  }
  *value.into = *number;
  return absl::OkStatus();
}

absl::Status Read(std::string_view option, std::string_view text, const Choice& value) {
  for (const auto& [name, distribution] : kDistributions) {
    if (name == text) {
      *value.into = distribution;
      return absl::OkStatus();
    }
  }
  return Bad(option, "uniform, zipf or hot");
}

absl::Status ReadOption(std::span<const std::string_view> words, size_t* at, Options* options) {
  const std::string_view option = words[(*at)++];
  for (const Row& row : RowsFor(options)) {
    if (row.option != option) continue;
    if (*at == words.size()) return Bad(option, "a value");
    const std::string_view text = words[(*at)++];
    return std::visit([&](const auto& value) { return Read(option, text, value); }, row.value);
  }
  if (option == "--list") {
    options->list = true;
  } else if (option == "--help") {
    options->help = true;
  } else if (option == "--progress") {
    options->progress = true;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("unknown option ", View(option)));
  }
  return absl::OkStatus();
}

absl::Status Complete(const Defaults& defaults, Options* options) {
  const auto complete = [](uint32_t* value, uint32_t from) {
    if (*value == 0) *value = from;
  };
  complete(&options->connections, defaults.connections);
  complete(&options->keys, defaults.keys);
  complete(&options->value_size, defaults.value_size);
  complete(&options->members, defaults.members);
  complete(&options->processes, defaults.processes);
  if (options->pipeline > defaults.deepest_pipeline) {
    return Bad("--pipeline", absl::StrCat("at most ", defaults.deepest_pipeline, " for ",
                                          View(options->workload)));
  }
  if (options->value_size < defaults.least_value_size) {
    return Bad("--value-size", absl::StrCat("at least ", defaults.least_value_size, " for ",
                                            View(options->workload)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view DistributionName(Distribution distribution) {
  for (const auto& [name, value] : kDistributions) {
    if (value == distribution) return name;
  }
  return "";
}

absl::StatusOr<Options> ReadOptions(std::span<const std::string_view> words,
                                    const Defaults* (*defaults)(std::string_view name)) {
  Options options;
  for (size_t at = 0; at < words.size();) {
    if (absl::Status status = ReadOption(words, &at, &options); !status.ok()) return status;
  }
  if (options.list || options.help) return options;
  if (options.workload.empty()) return Bad("--workload", "a name; --list shows them");
  const Defaults* const known = defaults(options.workload);
  if (known == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown workload ", View(options.workload), "; --list shows all"));
  }
  if (absl::Status status = Complete(*known, &options); !status.ok()) return status;
  return options;
}

std::string_view Usage() {
  return R"(usage: chorale-bench --workload NAME [option value]...

  --list                   the workloads
  --host H, --port P       of the server (127.0.0.1, 6379)
  --unixsocket PATH        its Unix socket, in their place
  --threads N              of the load generator, each with its share of the connections (1)
  --connections N          what they do depends on the workload
  --pipeline N             operations that a connection has under way at a time (1)
  --seconds S, --warmup S  of measuring, and before it (5, 1)
  --rate N                 operations per second, begun on time whatever became of those before;
                           0: as many as the server answers (0)
  --keys N                 different keys, elements, groups (100000)
  --distribution D         of the keys: uniform, zipf, hot (uniform)
  --value-size B           bytes of a value or of a message
  --members N              channels in a group, of each process
  --processes N            receiving processes
  --server-pid PID         the server's process, whose CPU time and memory are to be reported
  --json FILE              the result as JSON; -: on standard output, and nothing else there
  --progress               a line on standard error also where that is no terminal
)";
}

}  // namespace chorale::bench
