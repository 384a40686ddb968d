#include "broker/client_registry.h"

#include <utility>

namespace chorale {

void ClientRegistry::Add(std::shared_ptr<ClientInfo> info) {
  absl::MutexLock lock(&mutex_);
  const int64_t id = info->id;
  clients_.emplace(id, std::move(info));
  size_.store(clients_.size(), std::memory_order_relaxed);
}

void ClientRegistry::Remove(int64_t id) {
  absl::MutexLock lock(&mutex_);
  clients_.erase(id);
  size_.store(clients_.size(), std::memory_order_relaxed);
}

std::vector<std::shared_ptr<ClientInfo>> ClientRegistry::All() const {
  std::vector<std::shared_ptr<ClientInfo>> all;
  absl::MutexLock lock(&mutex_);
  all.reserve(clients_.size());
  for (const auto& [id, info] : clients_) all.push_back(info);
  return all;
}

std::shared_ptr<ClientInfo> ClientRegistry::Find(int64_t id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second;
}

}  // namespace chorale
