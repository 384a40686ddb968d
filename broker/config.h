// The broker's options: named as in redis.conf where the same thing exists there, read from a file
// in that syntax, from `--option value`, and by CONFIG SET; all visible through CONFIG GET.
//
// Values that a running broker reads often are atomics; strings are behind a lock. Adding an
// option: a member here and its line in the table of config_options.cc, and a row in README.md.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace chorale {

// A string option; thread-safe.
class ConfigString {
 public:
  explicit ConfigString(std::string value = {}) : value_(std::move(value)) {}
  std::string get() const {
    absl::MutexLock lock(&mutex_);
    return value_;
  }
  void set(std::string_view value) {
    absl::MutexLock lock(&mutex_);
    value_ = value;
  }

 private:
  mutable absl::Mutex mutex_;
  std::string value_ ABSL_GUARDED_BY(mutex_);
};

// Of client-output-buffer-limit, one per class of clients. Bytes and seconds; 0 means no limit.
struct OutputLimit {
  std::atomic<int64_t> hard_bytes = 0;
  std::atomic<int64_t> soft_bytes = 0;
  std::atomic<int64_t> soft_seconds = 0;
};
enum OutputClassIndex : size_t { kNormalOutput, kReplicaOutput, kPubSubOutput, kOutputClasses };

class Config {
 public:
  Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  // ---- where to listen; constant once the broker runs ----
  std::atomic<int64_t> port{6379};
  ConfigString bind{"127.0.0.1 -::1"};
  ConfigString unixsocket;
  std::atomic<int64_t> unixsocketperm{0};
  std::atomic<int64_t> tcp_backlog{511};
  std::atomic<int64_t> threads{0};  // 0: as many as cores
  std::atomic<int64_t> databases{16};
  std::atomic<int64_t> enable_debug_command{0};  // 0 no, 1 yes, 2 local
  std::atomic<int64_t> daemonize{0};             // 0 no, 1 yes, which is refused
  std::atomic<int64_t> supervised{0};            // 0 no, 1 auto, 2 systemd
  ConfigString logfile;
  ConfigString dir{"."};
  // Whether there is a data directory, and when it is synced: Journal::Sync, 0 every second, 1
  // always, 2 never. `persistence` is both; appendonly and appendfsync are one each.
  std::atomic<bool> persistent{false};
  std::atomic<int64_t> append_sync{0};

  // ---- may change while running ----
  std::atomic<bool> protected_mode{true};
  ConfigString requirepass;
  std::atomic<bool> has_password{false};
  std::atomic<int64_t> timeout_seconds{0};
  std::atomic<int64_t> tcp_keepalive_seconds{300};
  std::atomic<int64_t> maxclients{10000};
  std::atomic<int64_t> maxmemory{0};
  std::atomic<int64_t> proto_max_bulk_len{int64_t{512} << 20};
  std::atomic<int64_t> max_arguments{1 << 20};
  // Bytes of one message on a layer, and of the events that may wait in a mailbox.
  std::atomic<int64_t> layer_message_limit{16 << 20};
  std::atomic<int64_t> mailbox_buffer_limit{64 << 20};
  // Bytes that may wait for the data directory.
  std::atomic<int64_t> persistence_buffer_limit{128 << 20};
  std::atomic<int64_t> client_query_buffer_limit{int64_t{1} << 30};
  std::array<OutputLimit, kOutputClasses> output_limits;
  std::atomic<int64_t> blocking_reply_early_ms{150};
  std::atomic<int64_t> lua_time_limit_ms{5000};
  std::atomic<int64_t> slowlog_log_slower_than_us{10000};
  std::atomic<int64_t> slowlog_max_len{128};
  std::atomic<int64_t> acllog_max_len{128};
  std::atomic<int64_t> latency_monitor_threshold_ms{0};
  std::atomic<int64_t> loglevel{2};  // 0 debug, 1 verbose, 2 notice, 3 warning
  std::atomic<int64_t> hz{10};
  std::atomic<int64_t> shutdown_timeout_seconds{10};

  // The file given on the command line; empty if none. CONFIG REWRITE writes it.
  std::string file;

  // Reads `[file] [--option value ...]`. The status's message is one line for the operator.
  [[nodiscard]] absl::Status ParseCommandLine(int argc, char** argv);
  [[nodiscard]] absl::Status LoadFile(const std::string& path);

  // CONFIG GET: name and value of each option that matches one of the patterns.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> Get(
      const std::vector<std::string_view>& patterns) const;
  // CONFIG SET of several options, all or none. The message is the reply, without "ERR ".
  [[nodiscard]] absl::Status Set(
      const std::vector<std::pair<std::string_view, std::string_view>>& pairs);
  // CONFIG REWRITE: keeps the file's comments and order, replaces changed values, appends others.
  [[nodiscard]] absl::Status Rewrite();

 private:
  struct Option {
    std::string name;
    std::string alias;   // an older or redis.conf name, or empty
    bool only_at_start;  // CONFIG SET refuses it
    std::function<std::string()> get;
    // Returns an explanation when the value is bad, else an empty string.
    std::function<std::string(std::string_view)> set;
    std::string default_value;
    // What CONFIG SET does once the value is there; explains, when it cannot, like `set`.
    std::function<std::string()> apply = {};
  };

  void Add(std::string name, bool only_at_start, std::function<std::string()> get,
           std::function<std::string(std::string_view)> set, std::string alias = {});
  template <typename T>
  void AddInteger(std::string name, std::atomic<T>& target, int64_t low, int64_t high,
                  bool only_at_start = false, std::string alias = {});
  void AddMemory(std::string name, std::atomic<int64_t>& target, int64_t low, int64_t high);
  void AddBoolean(std::string name, std::atomic<bool>& target, bool only_at_start = false);
  void AddEnum(std::string name, std::atomic<int64_t>& target, std::vector<std::string> values,
               bool only_at_start = false);
  void AddString(std::string name, ConfigString& target, bool only_at_start = false);
  // A directory, or one that can be made; shown as an absolute path.
  void AddDirectory(std::string name, ConfigString& target);
  // An option of redis.conf that has one value here: that value is accepted, others are refused.
  void AddFixed(std::string name, std::string value);
  // One that is accepted with any value and shown, and that changes nothing.
  void AddWithoutEffect(std::string name, std::string value);
  void AddNetworkOptions();
  void AddClientOptions();
  void AddStorageOptions();
  void AddPersistenceOptions();
  void AddServerOptions();
  void AddFixedOptions();
  void AddOptionsWithoutEffect();
  // Why a directive of redis.conf is refused, or empty if nothing is known about it.
  static std::string_view WhyUnsupported(std::string_view name);
  const Option* Find(std::string_view name) const;
  absl::Status SetAtStart(std::string_view name, std::string_view value, int depth = 0);
  // `depth` counts the files that include each other.
  absl::Status ReadFile(const std::string& path, int depth);
  absl::Status Include(const std::string& pattern, int depth);

  std::vector<std::string> RewrittenLines() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void RememberFileValues() ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);

  std::vector<Option> options_;
  // Changes are made one at a time, so that each is made as a whole.
  absl::Mutex change_mutex_;
  // The options as they were when the file was read or written last.
  std::map<std::string, std::string> file_values_ ABSL_GUARDED_BY(change_mutex_);
};

}  // namespace chorale
