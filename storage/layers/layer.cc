#include "storage/layers/layer.h"

#include <utility>

namespace chorale {

Layer::Layer(std::string name, std::function<size_t()> most_mailbox_bytes)
    : name_(std::move(name)),
      policy_(std::make_shared<const LayerPolicy>()),
      groups_(counters_),
      surroundings_{groups_, counters_, std::move(most_mailbox_bytes)} {}

std::shared_ptr<const LayerPolicy> Layer::policy() const {
  absl::ReaderMutexLock lock(&policy_mutex_);
  return policy_;
}

void Layer::set_policy(LayerPolicy policy) {
  auto shared = std::make_shared<const LayerPolicy>(std::move(policy));
  absl::MutexLock lock(&policy_mutex_);
  policy_ = std::move(shared);
}

// One that was closed meanwhile is replaced.
std::shared_ptr<Mailbox> Layer::MailboxFor(std::string_view name, int64_t now_ms) {
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  std::shared_ptr<Mailbox>& mailbox = shard.mailboxes[std::string(name)];
  if (mailbox == nullptr || mailbox->closed()) {
    mailbox = std::make_shared<Mailbox>(std::string(name), surroundings_, now_ms);
  }
  return mailbox;
}

std::shared_ptr<Mailbox> Layer::FindMailbox(std::string_view name) {
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.mailboxes.find(name);
  return found == shard.mailboxes.end() || found->second->closed() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Mailbox>> Layer::Mailboxes() {
  std::vector<std::shared_ptr<Mailbox>> all;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (const auto& [name, mailbox] : shard.mailboxes) all.push_back(mailbox);
  }
  return all;
}

void Layer::Tidy(int64_t now_ms) {
  const int64_t grace_ms = policy()->grace_ms;
  for (const auto& mailbox : Mailboxes()) {
    if (!mailbox->Tidy(grace_ms, now_ms)) continue;
    Shard& shard = ShardOf(mailbox->name());
    absl::MutexLock lock(&shard.mutex);
    const auto found = shard.mailboxes.find(mailbox->name());
    if (found != shard.mailboxes.end() && found->second == mailbox) shard.mailboxes.erase(found);
  }
  groups_.Tidy(now_ms);
}

void Layer::Flush() {
  for (const auto& mailbox : Mailboxes()) mailbox->Flush();
  groups_.Flush();
}

Layer& LayerRegistry::Get(std::string_view name) {
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<Layer>& layer = layers_[std::string(name)];
  if (layer == nullptr) layer = std::make_unique<Layer>(std::string(name), most_mailbox_bytes_);
  return *layer;
}

Layer* LayerRegistry::Find(std::string_view name) {
  absl::MutexLock lock(&mutex_);
  const auto found = layers_.find(name);
  return found == layers_.end() ? nullptr : found->second.get();
}

std::vector<Layer*> LayerRegistry::All() {
  std::vector<Layer*> all;
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, layer] : layers_) all.push_back(layer.get());
  return all;
}

}  // namespace chorale
