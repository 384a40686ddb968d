#include "storage/layers/layer.h"

#include <utility>

#include "storage/layers/unsaved_layers.h"

namespace chorale {

Layer::Layer(std::string name, std::function<size_t()> most_mailbox_bytes, UnsavedLayers* unsaved)
    : name_(std::move(name)),
      policy_(std::make_shared<const LayerPolicy>()),
      unsaved_(unsaved),
      groups_(counters_, name_, unsaved),
      surroundings_{groups_, counters_, std::move(most_mailbox_bytes), unsaved, name_} {}

std::shared_ptr<const LayerPolicy> Layer::policy() const {
  absl::ReaderMutexLock lock(&policy_mutex_);
  return policy_;
}

void Layer::set_policy(LayerPolicy policy) { ReplacePolicy(std::move(policy), unsaved_); }

void Layer::RestorePolicy(LayerPolicy policy) { ReplacePolicy(std::move(policy), nullptr); }

// Nobody sees it before it is noted, and no round that takes the note sees the one before.
void Layer::ReplacePolicy(LayerPolicy policy, UnsavedLayers* note) {
  auto shared = std::make_shared<const LayerPolicy>(std::move(policy));
  absl::MutexLock lock(&policy_mutex_);
  policy_ = std::move(shared);
  if (note != nullptr) note->NotePolicy(name_);
}

// One that was closed meanwhile is replaced.
std::shared_ptr<Mailbox> Layer::MailboxFor(std::string_view name, int64_t now_ms) {
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  std::shared_ptr<Mailbox>& mailbox = shard.mailboxes[name];
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

void Layer::Tidy(size_t part, int64_t now_ms) {
  const int64_t grace_ms = policy()->grace_ms;
  Shard& shard = shards_[part];
  std::vector<std::shared_ptr<Mailbox>> mailboxes;
  {
    absl::MutexLock lock(&shard.mutex);
    mailboxes.reserve(shard.mailboxes.size());
    for (const auto& [name, mailbox] : shard.mailboxes) mailboxes.push_back(mailbox);
  }
  for (const auto& mailbox : mailboxes) {
    if (!mailbox->Tidy(grace_ms, now_ms)) continue;
    absl::MutexLock lock(&shard.mutex);
    const auto found = shard.mailboxes.find(mailbox->name());
    if (found != shard.mailboxes.end() && found->second == mailbox) shard.mailboxes.erase(found);
  }
  groups_.Tidy(part, now_ms);
}

bool Layer::empty() {
  if (*policy() != LayerPolicy()) return false;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    if (!shard.mailboxes.empty()) return false;
  }
  return groups_.empty();
}

void Layer::Flush() {
  for (const auto& mailbox : Mailboxes()) mailbox->Flush();
  groups_.Flush();
}

std::shared_ptr<Layer> LayerRegistry::Get(std::string_view name) {
  if (auto layer = Find(name)) return layer;
  absl::MutexLock lock(&mutex_);
  const auto found = layers_.find(name);
  if (found != layers_.end()) return found->second;
  if (layers_.size() >= kMost) return nullptr;
  auto layer = std::make_shared<Layer>(std::string(name), most_mailbox_bytes_, unsaved_);
  layers_.emplace(name, layer);
  return layer;
}

std::shared_ptr<Layer> LayerRegistry::Find(std::string_view name) {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = layers_.find(name);
  return found == layers_.end() ? nullptr : found->second;
}

std::vector<std::string> LayerRegistry::Names() {
  std::vector<std::string> names;
  absl::ReaderMutexLock lock(&mutex_);
  names.reserve(layers_.size());
  for (const auto& [name, layer] : layers_) names.push_back(name);
  return names;
}

// Nobody can get a reference while the lock is held, so that a layer which has no other than the
// registry's stays as it is.
void LayerRegistry::Forget(std::string_view name) {
  std::shared_ptr<Layer> forgotten;  // freed without the lock
  absl::MutexLock lock(&mutex_);
  if (layers_.size() <= kMostRemembered) return;
  const auto found = layers_.find(name);
  if (found == layers_.end() || found->second.use_count() > 1 || !found->second->empty()) return;
  forgotten = std::move(found->second);
  layers_.erase(found);
}

}  // namespace chorale
