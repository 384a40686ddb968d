// A layer of channels: a namespace with a policy, its mailboxes and its groups. The queues of its
// general channels are values of the store (channel_queue.h). Thread-safe.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/database.h"
#include "storage/layers/counters.h"
#include "storage/layers/group_index.h"
#include "storage/layers/mailbox.h"
#include "storage/layers/policy.h"

namespace chorale {

class Layer {
 public:
  // `most_mailbox_bytes` says what may wait in a mailbox for its owner.
  Layer(std::string name, std::function<size_t()> most_mailbox_bytes);

  const std::string& name() const { return name_; }
  [[nodiscard]] std::shared_ptr<const LayerPolicy> policy() const;
  void set_policy(LayerPolicy policy);
  LayerCounters& counters() { return counters_; }
  GroupIndex& groups() { return groups_; }

  // Makes the mailbox if there is none.
  [[nodiscard]] std::shared_ptr<Mailbox> MailboxFor(std::string_view name, int64_t now_ms);
  // nullptr if there is none.
  [[nodiscard]] std::shared_ptr<Mailbox> FindMailbox(std::string_view name);
  [[nodiscard]] std::vector<std::shared_ptr<Mailbox>> Mailboxes();

  // Drops what has expired, and mailboxes whose owner is not coming back. Called once a second.
  void Tidy(int64_t now_ms);
  // Empties mailboxes and groups; not the queues in the store.
  void Flush();

 private:
  struct Shard {
    absl::Mutex mutex;
    StringMap<std::shared_ptr<Mailbox>> mailboxes ABSL_GUARDED_BY(mutex);
  };
  Shard& ShardOf(std::string_view name) { return shards_[HashKey(name) % shards_.size()]; }

  const std::string name_;
  mutable absl::Mutex policy_mutex_;
  std::shared_ptr<const LayerPolicy> policy_ ABSL_GUARDED_BY(policy_mutex_);
  LayerCounters counters_;
  GroupIndex groups_;
  const Mailbox::Surroundings surroundings_;
  std::array<Shard, 32> shards_;
};

// All layers, by name. Thread-safe. A layer lives as long as the broker.
class LayerRegistry {
 public:
  explicit LayerRegistry(std::function<size_t()> most_mailbox_bytes)
      : most_mailbox_bytes_(std::move(most_mailbox_bytes)) {}

  // Makes the layer, with the default policy, if there is none.
  Layer& Get(std::string_view name);
  // nullptr if there is none.
  Layer* Find(std::string_view name);
  [[nodiscard]] std::vector<Layer*> All();

 private:
  const std::function<size_t()> most_mailbox_bytes_;
  absl::Mutex mutex_;
  StringMap<std::unique_ptr<Layer>> layers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace chorale
