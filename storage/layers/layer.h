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

// Whoever uses a layer holds a reference, and so do the queues of its channels: the registry
// forgets only what it alone knows.
class Layer : public std::enable_shared_from_this<Layer> {
 public:
  // `most_mailbox_bytes` says what may wait in a mailbox for its owner; `unsaved` is nullptr
  // without persistence.
  Layer(std::string name, std::function<size_t()> most_mailbox_bytes,
        UnsavedLayers* unsaved = nullptr);

  const std::string& name() const { return name_; }
  [[nodiscard]] std::shared_ptr<const LayerPolicy> policy() const;
  void set_policy(LayerPolicy policy);
  // The policy that a data directory holds.
  void RestorePolicy(LayerPolicy policy);
  LayerCounters& counters() { return counters_; }
  // The same, keeping the layer alive.
  std::shared_ptr<LayerCounters> shared_counters() { return {shared_from_this(), &counters_}; }
  GroupIndex& groups() { return groups_; }

  // Makes the mailbox if there is none.
  [[nodiscard]] std::shared_ptr<Mailbox> MailboxFor(std::string_view name, int64_t now_ms);
  // nullptr if there is none.
  [[nodiscard]] std::shared_ptr<Mailbox> FindMailbox(std::string_view name);
  [[nodiscard]] std::vector<std::shared_ptr<Mailbox>> Mailboxes();

  // Drops what has expired, and mailboxes whose owner is not coming back: in one of kParts.
  static constexpr size_t kParts = 32;
  void Tidy(size_t part, int64_t now_ms);
  // Neither mailboxes, groups nor a policy of its own. The queues in the store do not count.
  [[nodiscard]] bool empty();
  // Empties mailboxes and groups; not the queues in the store.
  void Flush();

 private:
  // `note`: who is told, or nullptr.
  void ReplacePolicy(LayerPolicy policy, UnsavedLayers* note);

  struct Shard {
    absl::Mutex mutex;
    StringMap<std::shared_ptr<Mailbox>> mailboxes ABSL_GUARDED_BY(mutex);
  };
  // By the bits of the hash that the tables themselves do not use.
  Shard& ShardOf(std::string_view name) { return shards_[HashKey(name) >> 59]; }

  const std::string name_;
  mutable absl::Mutex policy_mutex_;
  std::shared_ptr<const LayerPolicy> policy_ ABSL_GUARDED_BY(policy_mutex_);
  LayerCounters counters_;
  UnsavedLayers* const unsaved_;
  GroupIndex groups_;
  const Mailbox::Surroundings surroundings_;
  std::array<Shard, kParts> shards_;
};

// All layers, by name. Thread-safe.
class LayerRegistry {
 public:
  // There are never more layers. Of more than kMostRemembered, those that are empty are forgotten
  // (Forget), and with them their statistics.
  static constexpr size_t kMost = 10'000;
  static constexpr size_t kMostRemembered = 1'000;

  explicit LayerRegistry(std::function<size_t()> most_mailbox_bytes)
      : most_mailbox_bytes_(std::move(most_mailbox_bytes)) {}
  // Has changes noted there. Before there is any layer.
  void set_unsaved(UnsavedLayers* unsaved) { unsaved_ = unsaved; }

  // Makes the layer, with the default policy, if there is none; nullptr if there are too many.
  [[nodiscard]] std::shared_ptr<Layer> Get(std::string_view name);
  // nullptr if there is none.
  [[nodiscard]] std::shared_ptr<Layer> Find(std::string_view name);
  [[nodiscard]] std::vector<std::string> Names();
  // Forgets a layer that is empty and that nobody uses, if there are many.
  void Forget(std::string_view name);

 private:
  const std::function<size_t()> most_mailbox_bytes_;
  UnsavedLayers* unsaved_ = nullptr;
  absl::Mutex mutex_;
  StringMap<std::shared_ptr<Layer>> layers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace chorale
