// What of the data is not on disk yet, as far as the data itself keeps it: see
// persistence/README.md.
//
// A key is one row, or, when its value is large, one row and one for each of its parts: fields,
// members, blocks of a list. Parts are named by a number that the value got when it was first
// written and keeps when its key is renamed.
//
// Guarded by the lock of the shard that holds the key.

#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "storage/key_hash.h"
#include "storage/string_map.h"

namespace chorale {

// Whether changes are kept track of: set before there is any data, and never changed.
inline bool g_persistent = false;

// Bytes that wait to be written or are being written, as an estimate: rows' names, and values where
// they are cheap to tell. Any thread.
inline std::atomic<int64_t> g_unsaved_bytes = 0;

// What one structure has added to that.
class UnsavedBytes {
 public:
  UnsavedBytes() = default;
  UnsavedBytes(UnsavedBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  UnsavedBytes& operator=(UnsavedBytes&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~UnsavedBytes() { Clear(); }
  int64_t bytes() const { return bytes_; }
  void Add(size_t bytes) {
    bytes_ += static_cast<int64_t>(bytes);
    g_unsaved_bytes.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  }
  void Remove(size_t bytes) {
    const int64_t less = std::min(bytes_, static_cast<int64_t>(bytes));
    bytes_ -= less;
    g_unsaved_bytes.fetch_sub(less, std::memory_order_relaxed);
  }
  void Clear() {
    if (bytes_ == 0) return;
    g_unsaved_bytes.fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
  }

 private:
  int64_t bytes_ = 0;
};

// Messages that a round leaves to the next one, because most are received before that: those sent
// in this time, which is Unix time in milliseconds. None by default. What was sent in the future
// (the clock has been put back) is not held back.
struct HoldBack {
  int64_t after_ms = 0;
  int64_t until_ms = 0;
  bool Has(int64_t sent_at_ms) const { return sent_at_ms > after_ms && sent_at_ms <= until_ms; }
};

struct PartsId {
  uint32_t space = 0;   // the database's, when it was given
  uint64_t number = 0;  // 0 if none was given yet
  auto operator<=>(const PartsId&) const = default;
};

// Of a large value.
struct Parts {
  PartsId id;
  bool on_disk = false;  // rows of that name may be there
  bool all = true;       // every part is to be written, and none of those that are there is right

  // Nothing of it is on disk any more, or never was.
  void Restart() {
    id = {};
    on_disk = false;
    all = true;
  }
};

// What a row costs while it waits, beyond its name.
inline constexpr size_t kUnsavedRowBytes = 64;

// Which keys of a database, or which fields or members of a large value, have changed since their
// rows were written. Those that are there say so themselves (`unsaved`), and here is only where to
// find them; so that a change costs little, and a second one nothing. What is gone, and has a row,
// is here by its name.
struct UnsavedNames {
  // The hashes of what has changed. Some may be of what is gone since, or be there twice: no more
  // than a fixed number, or as many as there are others.
  std::vector<uint64_t> changed;
  StringSet erased;
  UnsavedBytes bytes;

  template <typename Node>
  void Added(Node& node, uint64_t hash, size_t size) {
    node.set_unsaved(true);
    if (!erased.empty() && erased.contains(node.key())) node.set_on_disk(true);
    changed.push_back(hash);
    bytes.Add(size);
  }
  template <typename Node>
  void Changed(Node& node, uint64_t hash, size_t size) {
    if (node.unsaved()) return;
    node.set_unsaved(true);
    changed.push_back(hash);
    bytes.Add(size);
  }
  // What has come and gone since the last round leaves nothing behind but its hash, for a while.
  // `nodes` is the table that it is in, or was in.
  template <typename Nodes, typename Node>
  void Removed(const Nodes& nodes, const Node& node, size_t size) {
    if (node.unsaved()) {
      bytes.Remove(size);
      if (++gone_ > kMostGone && gone_ > changed.size() / 2) ForgetGone<Node>(nodes);
    }
    if (!node.on_disk() || !erased.emplace(node.key()).second) return;
    bytes.Add(node.key().size() + kUnsavedRowBytes);
  }
  void Clear() {
    changed.clear();
    if (changed.capacity() > kKeptCapacity) changed.shrink_to_fit();
    erased.clear();
    bytes.Clear();
    gone_ = 0;
  }

 private:
  static constexpr size_t kKeptCapacity = 1024;
  static constexpr size_t kMostGone = 1024;

  template <typename Node, typename Nodes>
  void ForgetGone(const Nodes& nodes) {
    std::vector<Node*> there;
    for (const uint64_t hash : changed) {
      nodes.ForEachInBucket(hash, [&](Node* node) {
        if (!node->unsaved()) return;
        node->set_unsaved(false);  // so that it is found once
        there.push_back(node);
      });
    }
    changed.clear();
    for (Node* const node : there) {
      node->set_unsaved(true);
      changed.push_back(HashKey(node->key()));
    }
    gone_ = 0;
  }

  size_t gone_ = 0;  // how many were removed that had changed
};

// Fields of a hash, members of a set or of a sorted set.
struct UnsavedParts : Parts {
  UnsavedNames names;

  static std::unique_ptr<UnsavedParts> NewIfPersistent() {
    return g_persistent ? std::make_unique<UnsavedParts>() : nullptr;
  }
  template <typename Node>
  void Added(Node& node, uint64_t hash) {
    if (all) return names.bytes.Add(node.Size());
    names.Added(node, hash, node.Size());
  }
  template <typename Node>
  void Changed(Node& node, uint64_t hash, size_t more_bytes = 0) {
    if (!all) names.Changed(node, hash, node.Size() + more_bytes);
  }
  template <typename Nodes, typename Node>
  void Removed(const Nodes& nodes, const Node& node) {
    if (!all) names.Removed(nodes, node, node.Size());
  }
  // Calls put(Node&) for each that is to be written, and takes it for written.
  template <typename Table, typename Put>
  void Collect(const Table& nodes, Put put) {
    const auto collect = [&](auto* node) {
      put(*node);
      node->set_unsaved(false);
      node->set_on_disk(true);
    };
    if (all) return nodes.ForEach(collect);
    for (const uint64_t hash : names.changed) {
      nodes.ForEachInBucket(hash, [&](auto* node) {
        if (node->unsaved()) collect(node);
      });
    }
  }
  void Saved() {
    all = false;
    on_disk = true;
    names.Clear();
  }
};

struct ListBlock;

// Blocks of a list.
struct UnsavedBlocks : Parts {
  absl::flat_hash_set<ListBlock*> changed;  // they say so themselves, too
  std::vector<int32_t> removed;             // of those on disk
  UnsavedBytes bytes;

  void Saved() {
    all = false;
    on_disk = true;
    removed.clear();
    bytes.Clear();
  }
};

}  // namespace chorale
