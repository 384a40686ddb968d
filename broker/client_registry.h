// All connected clients, by id. Thread-safe. It hands out ClientInfo only: a connection itself is
// reached by posting to its thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/synchronization/mutex.h"
#include "broker/client.h"

namespace chorale {

class ClientRegistry {
 public:
  int64_t NextId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  void Add(std::shared_ptr<ClientInfo> info);
  void Remove(int64_t id);
  size_t size() const { return size_.load(std::memory_order_relaxed); }

  // In the order of ids.
  [[nodiscard]] std::vector<std::shared_ptr<ClientInfo>> All() const;
  // nullptr when there is no such client.
  [[nodiscard]] std::shared_ptr<ClientInfo> Find(int64_t id) const;

 private:
  mutable absl::Mutex mutex_;
  absl::btree_map<int64_t, std::shared_ptr<ClientInfo>> clients_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> size_ = 0;
  std::atomic<int64_t> next_id_ = 1;
};

}  // namespace chorale
