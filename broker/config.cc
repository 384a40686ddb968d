#include "broker/config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "broker/glob.h"
#include "protocol/numbers.h"
#include "protocol/resp_parser.h"
#include "storage/encoding_limits.h"

namespace chorale {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(Absl(text)); }

// "100", "64kb", "1gb", as in redis.conf: k, m, g are powers of 1000, kb, mb, gb of 1024.
std::optional<int64_t> ParseMemory(std::string_view text) {
  const std::string lower = Lower(text);
  const size_t digits = std::min(lower.find_first_not_of("0123456789"), lower.size());
  const auto number = ParseInt64(std::string_view(lower).substr(0, digits));
  if (!number) return std::nullopt;
  static const std::map<std::string, int64_t> kUnits = {
      {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
      {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
  const auto unit = kUnits.find(lower.substr(digits));
  if (unit == kUnits.end() || *number > kMax / unit->second) return std::nullopt;
  return *number * unit->second;
}

// The words of one line of redis.conf, whose quoting is that of inline commands; empty for a blank
// line or a comment, nullopt when quotes do not close.
std::optional<std::vector<std::string>> SplitLine(std::string_view line) {
  const size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
  if (begin == line.size() || line[begin] == '#') return std::vector<std::string>{};
  const std::string text = std::string(line) + "\n";
  RespParser parser;
  if (parser.Parse(text, ParserLimits{}) != RespParser::Result::kCommand) return std::nullopt;
  return std::vector<std::string>(parser.arguments().begin(), parser.arguments().end());
}

// A value as it is written into the file: quoted unless it is one plain word, or several of them
// (client-output-buffer-limit).
std::string Quote(std::string_view value) {
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' ? c != '"' && c != '\'' && c != '\\' && c != '#' && c < 127 : c == ' ';
  });
  if (plain) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c >= ' ' && c < 127) {
      quoted += c;
    } else {
      absl::StrAppend(&quoted, "\\x", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  return quoted + '"';
}

std::string RangeError(int64_t low, int64_t high) {
  return absl::StrCat("argument must be between ", low, " and ", high, " inclusive");
}

constexpr std::array<std::string_view, kOutputClasses> kOutputClassNames = {"normal", "slave",
                                                                            "pubsub"};

std::string FormatOutputLimits(const std::array<OutputLimit, kOutputClasses>& limits) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < kOutputClasses; ++i) {
    parts.push_back(absl::StrCat(Absl(kOutputClassNames[i]), " ", limits[i].hard_bytes.load(), " ",
                                 limits[i].soft_bytes.load(), " ", limits[i].soft_seconds.load()));
  }
  return absl::StrJoin(parts, " ");
}

std::string ParseOutputLimits(std::string_view text,
                              std::array<OutputLimit, kOutputClasses>& limits) {
  const std::vector<std::string> words = absl::StrSplit(Absl(text), ' ', absl::SkipEmpty());
  if (words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  struct Parsed {
    size_t index;
    int64_t hard, soft, seconds;
  };
  std::vector<Parsed> parsed;
  for (size_t i = 0; i < words.size(); i += 4) {
    const std::string name = Lower(words[i]);
    const std::string_view canonical = name == "replica" ? "slave" : std::string_view(name);
    const auto found = std::find(kOutputClassNames.begin(), kOutputClassNames.end(), canonical);
    if (found == kOutputClassNames.end()) {
      return "Invalid client class specified in buffer limit configuration.";
    }
    const auto hard = ParseMemory(words[i + 1]);
    const auto soft = ParseMemory(words[i + 2]);
    const auto seconds = ParseInt64(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    parsed.push_back(
        {static_cast<size_t>(found - kOutputClassNames.begin()), *hard, *soft, *seconds});
  }
  for (const Parsed& limit : parsed) {
    limits[limit.index].hard_bytes = limit.hard;
    limits[limit.index].soft_bytes = limit.soft;
    limits[limit.index].soft_seconds = limit.seconds;
  }
  return {};
}

}  // namespace

void Config::Add(std::string name, bool only_at_start, std::function<std::string()> get,
                 std::function<std::string(std::string_view)> set, std::string alias) {
  std::string default_value = get();
  options_.push_back({std::move(name), std::move(alias), only_at_start, std::move(get),
                      std::move(set), std::move(default_value)});
}

template <typename T>
void Config::AddInteger(std::string name, std::atomic<T>& target, int64_t low, int64_t high,
                        bool only_at_start, std::string alias) {
  Add(
      std::move(name), only_at_start, [&target] { return absl::StrCat(target.load()); },
      [&target, low, high](std::string_view text) -> std::string {
        const auto value = ParseInt64(text);
        if (!value) return "argument couldn't be parsed into an integer";
        if (*value < low || *value > high) return RangeError(low, high);
        target = static_cast<T>(*value);
        return {};
      },
      std::move(alias));
}

void Config::AddMemory(std::string name, std::atomic<int64_t>& target, int64_t low, int64_t high) {
  Add(
      std::move(name), false, [&target] { return absl::StrCat(target.load()); },
      [&target, low, high](std::string_view text) -> std::string {
        const auto value = ParseMemory(text);
        if (!value) return "argument must be a memory value";
        if (*value < low || *value > high) return RangeError(low, high);
        target = *value;
        return {};
      });
}

void Config::AddBoolean(std::string name, std::atomic<bool>& target) {
  Add(
      std::move(name), false, [&target] { return target ? "yes" : "no"; },
      [&target](std::string_view text) -> std::string {
        const std::string value = Lower(text);
        if (value != "yes" && value != "no") return "argument must be 'yes' or 'no'";
        target = value == "yes";
        return {};
      });
}

void Config::AddEnum(std::string name, std::atomic<int64_t>& target,
                     std::vector<std::string> values, bool only_at_start) {
  Add(
      std::move(name), only_at_start,
      [&target, values] { return values[static_cast<size_t>(target.load())]; },
      [&target, values](std::string_view text) -> std::string {
        const auto found = std::find(values.begin(), values.end(), Lower(text));
        if (found == values.end()) {
          return absl::StrCat("argument(s) must be one of the following: ",
                              absl::StrJoin(values, ", "));
        }
        target = found - values.begin();
        return {};
      });
}

void Config::AddString(std::string name, ConfigString& target, bool only_at_start) {
  Add(
      std::move(name), only_at_start, [&target] { return target.get(); },
      [&target](std::string_view text) -> std::string {
        target.set(text);
        return {};
      });
}

void Config::AddFixed(std::string name, std::string value) {
  Add(
      std::move(name), false, [value] { return value; },
      [value](std::string_view text) -> std::string {
        if (Lower(text) == value) return {};
        return absl::StrCat("the only value supported is '", value, "'");
      });
}

Config::Config() {
  output_limits[kNormalOutput].hard_bytes = int64_t{1} << 30;
  output_limits[kReplicaOutput].hard_bytes = int64_t{256} << 20;
  output_limits[kReplicaOutput].soft_bytes = int64_t{64} << 20;
  output_limits[kReplicaOutput].soft_seconds = 60;
  output_limits[kPubSubOutput].hard_bytes = int64_t{32} << 20;
  output_limits[kPubSubOutput].soft_bytes = int64_t{8} << 20;
  output_limits[kPubSubOutput].soft_seconds = 60;
  AddNetworkOptions();
  AddClientOptions();
  AddStorageOptions();
  AddServerOptions();
  AddFixedOptions();
  std::sort(options_.begin(), options_.end(),
            [](const Option& a, const Option& b) { return a.name < b.name; });
}

void Config::AddNetworkOptions() {
  AddInteger("port", port, 0, 65535, true);
  AddString("bind", bind, true);
  AddString("unixsocket", unixsocket, true);
  Add(
      "unixsocketperm", true,
      [this] {
        std::ostringstream octal;
        octal << std::oct << unixsocketperm.load();
        return octal.str();
      },
      [this](std::string_view text) -> std::string {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
        if (error != std::errc() || end != text.data() + text.size() || value > 0777) {
          return "argument must be an octal file mode";
        }
        unixsocketperm = value;
        return {};
      });
  AddInteger("tcp-backlog", tcp_backlog, 1, 65535, true);
  AddInteger("tcp-keepalive", tcp_keepalive_seconds, 0, 1 << 30);
  AddBoolean("protected-mode", protected_mode);
  Add(
      "requirepass", false, [this] { return requirepass.get(); },
      [this](std::string_view text) -> std::string {
        requirepass.set(text);
        has_password = !text.empty();
        return {};
      });
}

void Config::AddClientOptions() {
  AddInteger("timeout", timeout_seconds, 0, 1 << 30);
  AddInteger("maxclients", maxclients, 1, 1 << 20);
  AddMemory("proto-max-bulk-len", proto_max_bulk_len, 1 << 20, kMax);
  AddInteger("max-arguments", max_arguments, 16, 1 << 30);
  AddMemory("client-query-buffer-limit", client_query_buffer_limit, 1 << 20, kMax);
  AddInteger("blocking-reply-early-ms", blocking_reply_early_ms, 0, 60000);
  Add(
      "client-output-buffer-limit", false, [this] { return FormatOutputLimits(output_limits); },
      [this](std::string_view text) { return ParseOutputLimits(text, output_limits); });
}

void Config::AddStorageOptions() {
  EncodingLimits& limits = g_encoding_limits;
  const auto add = [this](std::string name, std::atomic<size_t>& target, std::string alias) {
    AddInteger(std::move(name), target, 0, 1 << 30, false, std::move(alias));
  };
  add("hash-max-listpack-entries", limits.hash_max_listpack_entries, "hash-max-ziplist-entries");
  add("hash-max-listpack-value", limits.hash_max_listpack_value, "hash-max-ziplist-value");
  add("set-max-intset-entries", limits.set_max_intset_entries, {});
  add("set-max-listpack-entries", limits.set_max_listpack_entries, {});
  add("set-max-listpack-value", limits.set_max_listpack_value, {});
  add("zset-max-listpack-entries", limits.zset_max_listpack_entries, "zset-max-ziplist-entries");
  add("zset-max-listpack-value", limits.zset_max_listpack_value, "zset-max-ziplist-value");
  AddInteger("list-max-listpack-size", limits.list_max_listpack_size, -5, 1 << 30, false,
             "list-max-ziplist-size");
  AddInteger("databases", databases, 1, 1024, true);
  AddMemory("maxmemory", maxmemory, 0, kMax);
}

void Config::AddServerOptions() {
  AddInteger("threads", threads, 0, 256, true, "io-threads");
  AddEnum("enable-debug-command", enable_debug_command, {"no", "yes", "local"}, true);
  AddEnum("loglevel", loglevel, {"debug", "verbose", "notice", "warning"});
  AddString("logfile", logfile, true);
  AddString("dir", dir, true);
  AddInteger("lua-time-limit", lua_time_limit_ms, 0, kMax, false, "busy-reply-threshold");
  AddInteger("slowlog-log-slower-than", slowlog_log_slower_than_us, -1, kMax);
  AddInteger("slowlog-max-len", slowlog_max_len, 0, 1 << 20);
  AddInteger("latency-monitor-threshold", latency_monitor_threshold_ms, 0, kMax);
  AddInteger("hz", hz, 1, 500);
}

void Config::AddFixedOptions() {
  AddFixed("appendonly", "no");
  AddFixed("appendfsync", "everysec");
  AddFixed("save", "");
  AddFixed("maxmemory-policy", "noeviction");
  AddFixed("replica-read-only", "yes");
  AddFixed("slave-read-only", "yes");
  AddFixed("cluster-enabled", "no");
  AddFixed("notify-keyspace-events", "");
  AddFixed("daemonize", "no");
  AddFixed("supervised", "no");
}

const Config::Option* Config::Find(std::string_view name) const {
  const std::string lower = Lower(name);
  for (const Option& option : options_) {
    if (option.name == lower || (!option.alias.empty() && option.alias == lower)) return &option;
  }
  return nullptr;
}

absl::Status Config::SetAtStart(std::string_view name, std::string_view value) {
  const Option* option = Find(name);
  if (option == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("unknown option '", Absl(name), "'"));
  }
  const std::string error = option->set(value);
  if (error.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("bad value '", Absl(value), "' for option '", option->name, "': ", error));
}

absl::Status Config::ParseCommandLine(int argc, char** argv) {
  int i = 1;
  if (i < argc && argv[i][0] != '-') {
    file = argv[i++];
    if (const absl::Status status = LoadFile(file); !status.ok()) return status;
  }
  // `--option a b c` takes every word up to the next option, as redis-server does.
  while (i < argc) {
    const std::string_view word = argv[i++];
    if (!word.starts_with("--") || word.size() == 2) {
      return absl::InvalidArgumentError(absl::StrCat("unexpected argument '", Absl(word), "'"));
    }
    std::vector<std::string> values;
    while (i < argc && !std::string_view(argv[i]).starts_with("--")) values.emplace_back(argv[i++]);
    const std::string_view name = word.substr(2);
    if (values.empty() && Find(name) != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("option '", Absl(name), "' needs a value"));
    }
    const absl::Status status = SetAtStart(name, absl::StrJoin(values, " "));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Config::LoadFile(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) {
    return absl::NotFoundError(absl::StrCat("cannot read the configuration file '", path, "'"));
  }
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const auto words = SplitLine(line);
    if (!words) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": unbalanced quotes"));
    }
    if (words->empty()) continue;
    const std::vector<std::string> values(words->begin() + 1, words->end());
    const absl::Status status = SetAtStart((*words)[0], absl::StrJoin(values, " "));
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> Config::Get(
    const std::vector<std::string_view>& patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const Option& option : options_) {
    const auto matches = [&](const std::string& name) {
      return !name.empty() &&
             std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
               return GlobMatchesIgnoringCase(pattern, name);
             });
    };
    if (matches(option.name)) found.emplace_back(option.name, option.get());
    if (matches(option.alias)) found.emplace_back(option.alias, option.get());
  }
  return found;
}

absl::Status Config::Set(const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
  std::vector<const Option*> chosen;
  for (const auto& [name, value] : pairs) {
    const Option* option = Find(name);
    if (option == nullptr) {
      return absl::NotFoundError(absl::StrCat(
          "Unknown option or number of arguments for CONFIG SET - '", Absl(name), "'"));
    }
    const auto failed = [name = Absl(name)](absl::string_view why) {
      return absl::InvalidArgumentError(
          absl::StrCat("CONFIG SET failed (possibly related to argument '", name, "') - ", why));
    };
    if (option->only_at_start) return failed("can't set immutable config");
    if (std::find(chosen.begin(), chosen.end(), option) != chosen.end()) {
      return failed("duplicate parameter");
    }
    chosen.push_back(option);
  }
  std::vector<std::string> before;
  for (size_t i = 0; i < chosen.size(); ++i) {
    before.push_back(chosen[i]->get());
    const std::string error = chosen[i]->set(pairs[i].second);
    if (error.empty()) continue;
    for (size_t j = 0; j < i; ++j) chosen[j]->set(before[j]);
    return absl::InvalidArgumentError(absl::StrCat(
        "CONFIG SET failed (possibly related to argument '", Absl(pairs[i].first), "') - ", error));
  }
  return absl::OkStatus();
}

absl::Status Config::Rewrite() const {
  if (file.empty()) {
    return absl::FailedPreconditionError("The server is running without a config file");
  }
  std::ifstream stream(file);
  std::vector<std::string> lines;
  std::vector<const Option*> written;
  for (std::string line; std::getline(stream, line);) {
    const auto words = SplitLine(line);
    const Option* option = words && !words->empty() ? Find((*words)[0]) : nullptr;
    if (option != nullptr) {
      if (std::find(written.begin(), written.end(), option) != written.end()) continue;
      written.push_back(option);
      line = option->name + " " + Quote(option->get());
    }
    lines.push_back(line);
  }
  for (const Option& option : options_) {
    if (option.get() == option.default_value) continue;
    if (std::find(written.begin(), written.end(), &option) != written.end()) continue;
    lines.push_back(option.name + " " + Quote(option.get()));
  }
  // Written beside the file and moved over it, so that a crash leaves the old one or the new one.
  const std::string temporary = file + ".rewrite";
  std::ofstream out(temporary, std::ios::trunc);
  for (const std::string& line : lines) out << line << '\n';
  out.close();
  if (!out || std::rename(temporary.c_str(), file.c_str()) != 0) {
    return absl::InternalError("Rewriting config file: cannot write the file");
  }
  return absl::OkStatus();
}

}  // namespace chorale
