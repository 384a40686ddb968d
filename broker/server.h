// The broker as a whole: owns the configuration, the store, the registries and the I/O threads.
// Constant after Start() but for the members that say otherwise; all of them are thread-safe.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "broker/access_log.h"
#include "broker/client_pause.h"
#include "broker/client_registry.h"
#include "broker/config.h"
#include "broker/latency_monitor.h"
#include "broker/lease.h"
#include "broker/monitors.h"
#include "broker/persistence.h"
#include "broker/pubsub.h"
#include "broker/scripting/running_script.h"
#include "broker/scripting/script_cache.h"
#include "broker/slowlog.h"
#include "broker/statistics.h"
#include "storage/layers/layer.h"
#include "storage/layers/layer_tidying.h"
#include "storage/store.h"

namespace chorale {

class IoThread;
class Listener;

class Server {
 public:
  explicit Server(Config& config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the ports and starts the threads. The message of a failure is one line for the operator;
  // a cancelled status means that RequestStop() was called meanwhile.
  [[nodiscard]] absl::Status Start();
  // Blocks until RequestStop(), then stops: no new connections, replies finished, sockets closed.
  [[nodiscard]] absl::Status Run();
  // Any thread, also a signal handler's.
  void RequestStop();

  Config& config() { return config_; }
  Store& store() { return *store_; }
  PubSub& pubsub() { return *pubsub_; }
  ClientRegistry& clients() { return clients_; }
  Statistics& statistics() { return statistics_; }
  SlowLog& slowlog() { return slowlog_; }
  AccessLog& access_log() { return access_log_; }
  LeaseRegistry& leases() { return leases_; }
  Monitors& monitors() { return monitors_; }
  ClientPause& pause() { return pause_; }
  // nullptr without persistence.
  Journal* journal() { return persistence_.journal(); }
  const std::string& data_directory() const { return persistence_.directory(); }
  // Has everything written and calls `done`, on any thread; kSave is shown by INFO meanwhile.
  enum class Purpose : uint8_t { kSave, kAwaitDisk };
  void Save(Purpose purpose, std::function<void(const absl::Status&)> done);
  bool saving() const {
    absl::MutexLock lock(&saves_mutex_);
    return std::any_of(saves_.begin(), saves_.end(),
                       [](const AwaitedSave& save) { return save.purpose == Purpose::kSave; });
  }
  // Whether a command that writes has to wait for the disk; it is postponed then.
  bool HoldsForDisk(const Command& command, Client& client);
  // Journal::covering(); 0 without persistence.
  uint64_t NeededRound() { return journal() != nullptr ? journal()->covering() : 0; }
  // A client whose command was postponed is gone.
  void ForgetPostponed(const ClientInfo& client);
  LatencyMonitor& latency() { return latency_; }
  LayerRegistry& layers() { return layers_; }
  const std::vector<std::unique_ptr<IoThread>>& threads() const { return threads_; }

  int64_t started_at_ms() const { return started_at_ms_; }
  const std::string& run_id() const { return run_id_; }
  // DEBUG SET-ACTIVE-EXPIRE.
  std::atomic<bool> active_expiry = true;
  // Bytes of memory in use, as the cron saw them last.
  std::atomic<uint64_t> used_memory = 0;
  std::atomic<uint64_t> peak_memory = 0;
  // What they were before there was any data.
  uint64_t startup_memory() const { return startup_memory_; }
  // True while a script has run past lua-time-limit: commands that wait for its shards are answered
  // BUSY, so that no thread is stuck and SCRIPT KILL is heard.
  bool script_busy() const { return script_busy_.load(std::memory_order_relaxed); }
  void set_script_busy(bool busy) { script_busy_.store(busy, std::memory_order_relaxed); }

  ScriptCache& script_cache() { return script_cache_; }
  RunningScript& running_script() { return running_script_; }
  // True from RequestStop() on.
  bool stopping() const { return stop_requested_.load(std::memory_order_relaxed); }

  bool OutOfMemory() const {
    const auto limit = static_cast<uint64_t>(config_.maxmemory.load(std::memory_order_relaxed));
    return limit != 0 && used_memory.load(std::memory_order_relaxed) > limit;
  }

  // Sets the counters of INFO to zero, each thread's on that thread; `done` runs on the last one.
  void ResetStatistics(std::function<void()> done);

  // What the broker listens on, for the banner and INFO.
  const std::vector<std::string>& addresses() const;
  int port() const;
  // What clients on this machine connect to, for the banner. It says where the password goes.
  std::string url() const;

 private:
  // After a start that failed.
  absl::Status CloseAfter(const absl::Status& failure);
  // Hands a new socket, which does not block, to the thread that has the fewest connections. From
  // the listener's thread.
  void Accept(int descriptor, int family);
  // On the connection's own thread.
  void Adopt(IoThread& thread, int descriptor, int family);
  void StopConnections();
  void ScheduleCron(IoThread& thread);
  void Cron(IoThread& thread);
  void CronOnce(int64_t now_ms);
  // On the first thread.
  void TidyLayers();
  // On the journal's thread.
  void OnDiskProgress();
  void FinishSaves();
  // Lets the writers go on that HoldsForDisk holds, if the disk has caught up.
  void ReleaseWriters();

  Config& config_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PubSub> pubsub_;
  ClientRegistry clients_;
  Statistics statistics_;
  SlowLog slowlog_;
  AccessLog access_log_;
  LeaseRegistry leases_;
  Monitors monitors_;
  ClientPause pause_{kWrite | kMayWrite};
  // Of writes and scripts, while too much waits for the disk, or for too long.
  ClientPause disk_pause_{kWrite | kRunsScript};
  std::atomic<bool> disk_late_ = false;
  LatencyMonitor latency_;
  LayerRegistry layers_;
  LayerTidying tidying_{layers_};  // the first thread's
  Persistence persistence_;
  struct AwaitedSave {
    Purpose purpose;
    uint64_t round;
    std::function<void(const absl::Status&)> done;
  };
  mutable absl::Mutex saves_mutex_;
  std::vector<AwaitedSave> saves_ ABSL_GUARDED_BY(saves_mutex_);
  ScriptCache script_cache_;
  RunningScript running_script_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<Listener> listener_;
  std::atomic<bool> stop_requested_ = false;
  std::atomic<bool> script_busy_ = false;
  absl::Notification stop_;
  int64_t started_at_ms_ = 0;
  int64_t next_tidy_ms_ = 0;  // the first thread's
  std::string run_id_;
  uint64_t startup_memory_ = 0;
};

}  // namespace chorale
