// An intrusive chained hash table with a cursor that survives rehashing.
//
// It holds the keyspace of a shard and, inside values, the fields of a hash, the members of a set
// and of a sorted set: one place for lookup, SCAN and random choice. A node carries its own chain
// link, so an element costs one allocation (the node) and eight bytes of bucket.
//
// Node needs: `Node* next;` and `std::string_view key() const;`. The table owns no node: the
// caller allocates and frees them. No thread safety of its own: it is guarded by whatever guards
// the value that contains it.
//
// Scan() visits buckets in the order of reverse-binary-incremented cursors (the scheme of Redis's
// SCAN, https://redis.io/docs/latest/commands/scan/): an element that is present from the first
// call to the last is returned at least once, however often the table grows or shrinks in between.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string_view>
#include <utility>

#include "storage/key_hash.h"

namespace chorale {

template <typename Node>
class HashTable {
 public:
  HashTable() = default;
  HashTable(HashTable&& other) noexcept
      : buckets_(std::move(other.buckets_)),
        bucket_count_(std::exchange(other.bucket_count_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  HashTable& operator=(HashTable&& other) noexcept {
    buckets_ = std::move(other.buckets_);
    bucket_count_ = std::exchange(other.bucket_count_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t bucket_count() const { return bucket_count_; }

  Node* Find(std::string_view key) const { return Find(key, HashKey(key)); }

  // `hash` must be HashKey(key).
  Node* Find(std::string_view key, uint64_t hash) const {
    if (size_ == 0) return nullptr;
    for (Node* node = buckets_[Index(hash)]; node != nullptr; node = node->next) {
      if (node->key() == key) return node;
    }
    return nullptr;
  }

  // What Find looks at first and then, for prefetching; nullptr if the table is empty.
  const void* BucketOf(uint64_t hash) const {
    return size_ == 0 ? nullptr : &buckets_[Index(hash)];
  }
  const Node* FirstInBucket(uint64_t hash) const {
    return size_ == 0 ? nullptr : buckets_[Index(hash)];
  }

  // Brings what Find looks at for each of these hashes into the cache, all at once.
  void Prefetch(std::span<const uint64_t> hashes) const {
    if (size_ == 0) return;
    for (const uint64_t hash : hashes) Fetch(&buckets_[Index(hash)]);
    for (const uint64_t hash : hashes) Fetch(buckets_[Index(hash)]);
    for (const uint64_t hash : hashes) {
      const Node* const first = buckets_[Index(hash)];
      if (first != nullptr) Fetch(first->next);
    }
  }

  // The key of `node` must not be in the table yet.
  void Insert(Node* node) { Insert(node, HashKey(node->key())); }
  void Insert(Node* node, uint64_t hash) {
    if (size_ >= bucket_count_) Rehash(bucket_count_ == 0 ? kMinBuckets : bucket_count_ * 2);
    Link(node, hash);
    ++size_;
  }

  // Takes the node out of the table and returns it; nullptr when there is none. The caller frees
  // it.
  [[nodiscard]] Node* Remove(std::string_view key) { return Remove(key, HashKey(key)); }
  [[nodiscard]] Node* Remove(std::string_view key, uint64_t hash) {
    if (size_ == 0) return nullptr;
    for (Node** link = &buckets_[Index(hash)]; *link != nullptr; link = &(*link)->next) {
      if ((*link)->key() != key) continue;
      Node* node = *link;
      *link = node->next;
      --size_;
      if (bucket_count_ > kMinBuckets && size_ < bucket_count_ / 8) Rehash(bucket_count_ / 2);
      return node;
    }
    return nullptr;
  }

  // Puts `replacement`, a node with the same key, in the place of `node`. The caller frees `node`.
  void Replace(Node* node, Node* replacement, uint64_t hash) {
    for (Node** link = &buckets_[Index(hash)]; *link != nullptr; link = &(*link)->next) {
      if (*link != node) continue;
      replacement->next = node->next;
      *link = replacement;
      return;
    }
  }

  // Calls visit(Node*) for every node, in no particular order. The visitor may not change the
  // table.
  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (size_t i = 0; i < bucket_count_; ++i) {
      for (Node* node = buckets_[i]; node != nullptr; node = node->next) visit(node);
    }
  }

  // The same for those that share a bucket with the keys of this hash; also for a hash that is none
  // of theirs.
  template <typename Visitor>
  void ForEachInBucket(uint64_t hash, Visitor visit) const {
    if (size_ == 0) return;
    for (Node* node = buckets_[Index(hash)]; node != nullptr; node = node->next) visit(node);
  }

  // Forgets every node after visit(Node*) saw it; the visitor may free it.
  template <typename Visitor>
  void Drain(Visitor visit) {
    for (size_t i = 0; i < bucket_count_; ++i) {
      for (Node* node = buckets_[i]; node != nullptr;) visit(std::exchange(node, node->next));
    }
    buckets_.reset();
    bucket_count_ = size_ = 0;
  }

  // Visits the nodes of one bucket and returns the next cursor; 0 begins, and 0 returned ends.
  template <typename Visitor>
  uint64_t Scan(uint64_t cursor, Visitor visit) const {
    if (bucket_count_ == 0) return 0;
    const uint64_t mask = bucket_count_ - 1;
    for (Node* node = buckets_[cursor & mask]; node != nullptr; node = node->next) visit(node);
    cursor |= ~mask;
    cursor = ReverseBits(ReverseBits(cursor) + 1);
    return cursor;
  }

  // A node chosen at random, close to uniformly (a bucket first, then a node of its chain);
  // nullptr when the table is empty.
  template <typename Random>
  Node* RandomNode(Random& random) const {
    if (size_ == 0) return nullptr;
    size_t bucket = 0;
    do {
      bucket = random() & (bucket_count_ - 1);
    } while (buckets_[bucket] == nullptr);
    size_t length = 0;
    for (Node* node = buckets_[bucket]; node != nullptr; node = node->next) ++length;
    Node* node = buckets_[bucket];
    for (size_t skip = random() % length; skip > 0; --skip) node = node->next;
    return node;
  }

  // Bytes of the bucket array; nodes not counted.
  size_t MemoryUsage() const { return bucket_count_ * sizeof(Node*); }

 private:
  static constexpr size_t kMinBuckets = 4;

  static uint64_t ReverseBits(uint64_t v) {
    v = ((v >> 1) & 0x5555555555555555) | ((v & 0x5555555555555555) << 1);
    v = ((v >> 2) & 0x3333333333333333) | ((v & 0x3333333333333333) << 2);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0f) | ((v & 0x0f0f0f0f0f0f0f0f) << 4);
    return __builtin_bswap64(v);
  }

  static void Fetch(const void* address) {
    __builtin_prefetch(address, 1);
    // GCC takes a function that does nothing but prefetch for one without effect and leaves it out.
    asm volatile("");
  }
  size_t Index(uint64_t hash) const { return hash & (bucket_count_ - 1); }

  void Link(Node* node, uint64_t hash) {
    Node*& head = buckets_[Index(hash)];
    node->next = head;
    head = node;
  }

  void Rehash(size_t bucket_count) {
    auto old = std::exchange(buckets_, std::make_unique<Node*[]>(bucket_count));
    const size_t old_count = std::exchange(bucket_count_, bucket_count);
    for (size_t i = 0; i < old_count; ++i) {
      for (Node* node = old[i]; node != nullptr;) {
        Node* next = node->next;
        Link(node, HashKey(node->key()));
        node = next;
      }
    }
  }

  std::unique_ptr<Node*[]> buckets_;
  size_t bucket_count_ = 0;  // A power of two, or 0.
  size_t size_ = 0;
};

}  // namespace chorale
