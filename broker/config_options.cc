// The table of options: their names, ranges and defaults. README.md describes them. What a
// redis.conf may say beyond them is in config_redis_options.cc.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "broker/config.h"
#include "broker/config_values.h"
#include "broker/descriptor_limit.h"
#include "protocol/numbers.h"
#include "storage/encoding_limits.h"

namespace chorale {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

std::string RangeError(int64_t low, int64_t high) {
  return absl::StrCat("argument must be between ", low, " and ", high, " inclusive");
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

void Config::AddBoolean(std::string name, std::atomic<bool>& target, bool only_at_start) {
  Add(
      std::move(name), only_at_start, [&target] { return target ? "yes" : "no"; },
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

void Config::AddWithoutEffect(std::string name, std::string value) {
  const auto kept = std::make_shared<ConfigString>(std::move(value));
  Add(
      std::move(name), false, [kept] { return kept->get(); },
      [kept](std::string_view text) -> std::string {
        kept->set(text);
        return {};
      });
}

void Config::AddDirectory(std::string name, ConfigString& target) {
  Add(
      std::move(name), true,
      [&target] {
        std::error_code error;
        const auto path = std::filesystem::absolute(target.get(), error).lexically_normal();
        std::string text = path.string();
        if (text.size() > 1 && text.ends_with('/')) text.pop_back();
        return text;
      },
      [&target](std::string_view text) -> std::string {
        const std::filesystem::path path(text);
        std::error_code error;
        // The data directory is made when it is missing, but not the one that it lies in.
        const auto existing = std::filesystem::exists(path, error) ? path : path.parent_path();
        if (!existing.empty() && !std::filesystem::is_directory(existing, error)) {
          return error ? error.message() : std::string("Not a directory");
        }
        if (!existing.empty() && ::access(existing.c_str(), R_OK | X_OK) != 0) {
          return std::strerror(errno);
        }
        target.set(text);
        return {};
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
  AddPersistenceOptions();
  AddServerOptions();
  AddFixedOptions();
  AddOptionsWithoutEffect();
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
  AddInteger("tcp-keepalive", tcp_keepalive_seconds, 0, kMaxInt);
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
  AddInteger("timeout", timeout_seconds, 0, kMaxInt);
  AddInteger("maxclients", maxclients, 1, std::numeric_limits<uint32_t>::max());
  options_.back().apply = [this]() -> std::string {
    const int64_t possible = RaiseDescriptorLimit(maxclients);
    if (possible >= maxclients) return {};
    return absl::StrCat(
        "The operating system is not able to handle the specified number of clients, try with ",
        possible);
  };
  AddMemory("proto-max-bulk-len", proto_max_bulk_len, 1 << 20, kMax);
  AddInteger("max-arguments", max_arguments, 16, 1 << 30);
  AddMemory("layer-message-limit", layer_message_limit, 1 << 10, kMax);
  AddMemory("mailbox-buffer-limit", mailbox_buffer_limit, 1 << 10, kMax);
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

void Config::AddPersistenceOptions() {
  AddDirectory("dir", dir);
  AddBoolean("appendonly", persistent, true);
  AddEnum("appendfsync", append_sync, {"everysec", "always", "no"}, true);
  static const std::vector<std::string> kValues = {"everysec", "always", "no-sync", "off"};
  Add(
      "persistence", true,
      [this] { return persistent ? kValues[static_cast<size_t>(append_sync.load())] : "off"; },
      [this](std::string_view text) -> std::string {
        const auto found = std::find(kValues.begin(), kValues.end(), Lower(text));
        if (found == kValues.end()) {
          return absl::StrCat("argument(s) must be one of the following: ",
                              absl::StrJoin(kValues, ", "));
        }
        persistent = *found != "off";
        if (persistent) append_sync = found - kValues.begin();
        return {};
      });
  AddMemory("persistence-buffer-limit", persistence_buffer_limit, 1 << 20, kMax);
}

void Config::AddServerOptions() {
  AddInteger("threads", threads, 0, 256, true, "io-threads");
  AddEnum("enable-debug-command", enable_debug_command, {"no", "yes", "local"}, true);
  AddEnum("daemonize", daemonize, {"no", "yes"}, true);
  AddEnum("supervised", supervised, {"no", "auto", "systemd"}, true);
  AddEnum("loglevel", loglevel, {"debug", "verbose", "notice", "warning"});
  AddString("logfile", logfile, true);
  AddInteger("lua-time-limit", lua_time_limit_ms, 0, kMax, false, "busy-reply-threshold");
  AddInteger("slowlog-log-slower-than", slowlog_log_slower_than_us, -1, kMax);
  AddInteger("slowlog-max-len", slowlog_max_len, 0, 1 << 20);
  AddInteger("acllog-max-len", acllog_max_len, 0, 1 << 20);
  AddInteger("latency-monitor-threshold", latency_monitor_threshold_ms, 0, kMax);
  AddInteger("hz", hz, 1, 500);
  AddInteger("shutdown-timeout", shutdown_timeout_seconds, 0, kMaxInt);
}

}  // namespace chorale
