#include "bench/load/options.h"

#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

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

absl::Status ReadCount(std::string_view option, std::string_view text, uint32_t least,
                       uint32_t most, uint32_t* count) {
  const std::optional<uint64_t> number = ParseUint64(text);
  if (!number || *number < least || *number > most) {
    return Bad(option, absl::StrCat("an integer from ", least, " to ", most));
  }
  *count = static_cast<uint32_t>(*number);
  return absl::OkStatus();
}

absl::Status ReadAmount(std::string_view option, std::string_view text, double least, double most,
                        double* amount) {
  const std::optional<double> number = ParseDouble(text);
  if (!number || !(*number >= least && *number <= most)) {
    return Bad(option, absl::StrCat("a number from ", least, " to ", most));
  }
  *amount = *number;
  return absl::OkStatus();
}

absl::Status ReadDistribution(std::string_view text, Distribution* distribution) {
  for (const auto& [name, value] : kDistributions) {
    if (name == text) {
      *distribution = value;
      return absl::OkStatus();
    }
  }
  return Bad("--distribution", "uniform, zipf or hot");
}

// One option that has a value. Every bound keeps what a run takes in memory, sockets and time.
absl::Status ReadOption(std::string_view option, std::string_view text, Options* options) {
  const auto count = [&](uint32_t least, uint32_t most, uint32_t* into) {
    return ReadCount(option, text, least, most, into);
  };
  if (option == "--workload") {
    options->workload = text;
  } else if (option == "--host") {
    options->address.host = text;
  } else if (option == "--unixsocket") {
    options->address.unix_path = text;
  } else if (option == "--json") {
    options->json = text;
  } else if (option == "--port") {
    uint32_t port = 0;
    const absl::Status status = count(1, 65535, &port);
    options->address.port = static_cast<uint16_t>(port);
    return status;
  } else if (option == "--server-pid") {
    uint32_t pid = 0;
    const absl::Status status = count(1, 1U << 22, &pid);
    options->server_pid = static_cast<pid_t>(pid);
    return status;
  } else if (option == "--threads") {
    return count(1, 64, &options->threads);
  } else if (option == "--connections") {
    return count(1, 50'000, &options->connections);
  } else if (option == "--pipeline") {
    return count(1, 10'000, &options->pipeline);
  } else if (option == "--keys") {
    return count(1, 100'000'000, &options->keys);
  } else if (option == "--value-size") {
    return count(1, 1 << 20, &options->value_size);
  } else if (option == "--members") {
    return count(1, 100'000, &options->members);
  } else if (option == "--processes") {
    return count(1, 10'000, &options->processes);
  } else if (option == "--distribution") {
    return ReadDistribution(text, &options->distribution);
  } else if (option == "--seconds") {
    return ReadAmount(option, text, 0.01, 3600, &options->seconds);
  } else if (option == "--warmup") {
    return ReadAmount(option, text, 0, 600, &options->warmup);
  } else if (option == "--rate") {
    return ReadAmount(option, text, 0, 1e8, &options->rate);
  } else {
    return absl::InvalidArgumentError(absl::StrCat("unknown option ", View(option)));
  }
  return absl::OkStatus();
}

absl::Status ReadWord(std::span<const std::string_view> words, size_t* at, Options* options) {
  const std::string_view word = words[(*at)++];
  if (word == "--list") {
    options->list = true;
  } else if (word == "--help") {
    options->help = true;
  } else if (word == "--progress") {
    options->progress = true;
  } else if (!word.starts_with("--")) {
    return absl::InvalidArgumentError(absl::StrCat("unknown argument ", View(word)));
  } else if (*at == words.size()) {
    // An unknown option is named as such, with a value or without.
    Options ignored;
    const absl::Status status = ReadOption(word, "", &ignored);
    if (absl::StartsWith(status.message(), "unknown")) return status;
    return Bad(word, "a value");
  } else {
    return ReadOption(word, words[(*at)++], options);
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
    if (absl::Status status = ReadWord(words, &at, &options); !status.ok()) return status;
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
