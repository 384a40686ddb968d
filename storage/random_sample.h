// Choosing distinct elements at random. The source of randomness is the caller's. Thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "storage/hash_table.h"

namespace chorale {

// Gives 64 random bits per call.
using RandomBits = absl::FunctionRef<uint64_t()>;

// `count` different indexes below `size`, in random order. `count` is at most `size`.
inline std::vector<size_t> SampleIndexes(size_t size, size_t count, RandomBits random) {
  std::vector<size_t> chosen;
  if (count < size / 3) {
    absl::flat_hash_set<size_t> seen;
    while (chosen.size() < count) {
      const size_t index = random() % size;
      if (seen.insert(index).second) chosen.push_back(index);
    }
    return chosen;
  }
  chosen.resize(size);
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  for (size_t i = 0; i < count; ++i) std::swap(chosen[i], chosen[i + random() % (size - i)]);
  chosen.resize(count);
  return chosen;
}

// `count` different nodes of the table; all of them in no particular order when it has no more.
template <typename Node>
std::vector<Node*> SampleNodes(const HashTable<Node>& table, size_t count, RandomBits random) {
  std::vector<Node*> nodes;
  if (count < table.size() / 3) {
    absl::flat_hash_set<Node*> seen;
    while (nodes.size() < count) {
      Node* node = table.RandomNode(random);
      if (seen.insert(node).second) nodes.push_back(node);
    }
    return nodes;
  }
  nodes.reserve(table.size());
  table.ForEach([&](Node* node) { nodes.push_back(node); });
  if (count >= nodes.size()) return nodes;
  for (size_t i = 0; i < count; ++i) {
    std::swap(nodes[i], nodes[i + random() % (nodes.size() - i)]);
  }
  nodes.resize(count);
  return nodes;
}

// One SCAN call on a table: whole buckets until at least `count` nodes were visited. Returns the
// next cursor. An almost empty table does not hold the caller up: it gives up after ten buckets
// per element asked for.
template <typename Node, typename Visitor>
uint64_t ScanNodes(const HashTable<Node>& table, uint64_t cursor, size_t count, Visitor visit) {
  size_t visited = 0;
  for (size_t buckets = 0; visited < count && buckets / 10 < count; ++buckets) {
    cursor = table.Scan(cursor, [&](Node* node) {
      ++visited;
      visit(node);
    });
    if (cursor == 0) break;
  }
  return cursor;
}

}  // namespace chorale
