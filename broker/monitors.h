// The clients that said MONITOR: each command that any client runs is shown to them.
// Thread-safe. https://redis.io/docs/latest/commands/monitor/

#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/client.h"
#include "broker/command.h"

namespace chorale {

class Monitors {
 public:
  // True when somebody monitors; commands ask before they build a line.
  bool active() const { return active_.load(std::memory_order_relaxed); }
  void Add(std::shared_ptr<ClientInfo> info);
  void Remove(ClientInfo& info);
  // Shows a command to every monitor. The client that ran it waits if a monitor's thread is behind.
  void Feed(const CommandContext& context);

 private:
  struct Monitor {
    std::shared_ptr<ClientInfo> client;
    bool losing = false;  // it missed a line, and a task to close it is under way
  };

  absl::Mutex mutex_;
  std::vector<Monitor> monitors_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> active_ = false;
};

}  // namespace chorale
