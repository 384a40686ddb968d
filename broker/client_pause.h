// CLIENT PAUSE: for a time, clients' commands wait, all of them or those that write.
// Thread-safe. https://redis.io/docs/latest/commands/client-pause/

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/synchronization/mutex.h"
#include "broker/client.h"

namespace chorale {

class ClientPause {
 public:
  enum class Mode : uint8_t { kNone, kWrites, kAll };

  // `writes`: CommandFlags of the commands that Mode::kWrites holds.
  explicit ClientPause(uint32_t writes) : writes_(writes) {}

  bool active() const { return mode_.load(std::memory_order_relaxed) != Mode::kNone; }
  // A pause under way is made longer and stricter, never shorter or milder. `thread` ends it when
  // the time is over.
  void Begin(Mode mode, IoThread& thread, int64_t duration_ms);
  // The same until End is called.
  void Begin(Mode mode);
  // Lets everybody go on.
  void End();

  // The client closes; it may not be waiting at all.
  void Forget(const ClientInfo& client);

  // True when `command` of `client` has to wait; the connection is suspended then, and its command
  // runs again, from the gate on, when the pause ends. On the client's thread.
  [[nodiscard]] bool Holds(const Command& command, Client& client);

 private:
  void EndAfter(IoThread& thread, int64_t duration_ms);

  const uint32_t writes_;
  absl::Mutex mutex_;
  std::atomic<Mode> mode_ = Mode::kNone;  // written under the lock
  int64_t until_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::btree_map<int64_t, std::shared_ptr<ClientInfo>> waiting_ ABSL_GUARDED_BY(mutex_);  // by id
};

}  // namespace chorale
