// Which mailboxes and which general channels are in each group of a layer. A mailbox knows its own
// members (mailbox.h); here it counts as one, so that a message to a group costs one step per
// process. Thread-safe; the lock of a group is taken under a mailbox's, never the other way round.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "storage/database.h"
#include "storage/layers/counters.h"
#include "storage/layers/members.h"

namespace chorale {

class Mailbox;
class UnsavedLayers;

class GroupIndex {
 public:
  // `layer` is the name of the layer; `unsaved` is nullptr without persistence.
  GroupIndex(LayerCounters& counters, const std::string& layer, UnsavedLayers* unsaved)
      : counters_(counters), layer_(layer), unsaved_(unsaved) {}

  // Called by the mailbox when its first member joins and when its last one has left.
  void Enter(const std::string& group, std::shared_ptr<Mailbox> mailbox);
  void Exit(const std::string& group, const Mailbox* mailbox);

  // General channels; each returns how many changed.
  size_t Join(const std::string& group, std::span<const std::string_view> channels,
              int64_t expires_at_ms, int64_t now_ms);
  size_t Discard(const std::string& group, std::span<const std::string_view> channels,
                 int64_t now_ms);

  // When the membership of a general channel ends; nullopt if it is no member.
  [[nodiscard]] std::optional<int64_t> ExpiryOf(std::string_view group, std::string_view channel);

  // What a data directory holds.
  void Restore(const std::string& group, std::string_view channel, int64_t expires_at_ms);

  struct Snapshot {
    std::vector<std::shared_ptr<Mailbox>> mailboxes;
    std::vector<std::string> channels;
  };
  [[nodiscard]] Snapshot Find(std::string_view group, int64_t now_ms);
  // The same, added to `found`, which is empty.
  void Find(std::string_view group, int64_t now_ms, Snapshot& found);

  [[nodiscard]] std::vector<std::string> Names();
  // Drops the memberships of general channels that have expired, in one of kParts.
  static constexpr size_t kParts = 32;
  void Tidy(size_t part, int64_t now_ms);
  [[nodiscard]] bool empty();
  // Drops the memberships of all general channels; mailboxes leave by themselves.
  void Flush();

 private:
  struct Group {
    absl::flat_hash_map<const Mailbox*, std::shared_ptr<Mailbox>> mailboxes;
    Members channels;
    bool empty() const { return mailboxes.empty() && channels.empty(); }
  };
  struct Shard {
    absl::Mutex mutex;
    StringMap<Group> groups ABSL_GUARDED_BY(mutex);
    int64_t next_expiry_ms ABSL_GUARDED_BY(mutex) = Members::kNever;  // none expires before
  };
  void DropExpired(std::string_view name, Group& group, int64_t now_ms);
  // By the bits of the hash that the tables themselves do not use.
  Shard& ShardOf(std::string_view group) { return shards_[HashKey(group) >> 59]; }

  LayerCounters& counters_;
  const std::string& layer_;
  UnsavedLayers* const unsaved_;
  std::array<Shard, kParts> shards_;
};

}  // namespace chorale
