#include "storage/hash.h"

#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

#include "storage/encoding_limits.h"
#include "storage/hash_table.h"
#include "storage/key_hash.h"
#include "storage/unsaved.h"

namespace chorale {

struct Hash::Node {
  Node* next;
  uint32_t field_size;
  uint32_t value_size;
  bool unsaved_ : 1;
  bool on_disk_ : 1;
  char bytes[];

  std::string_view key() const { return {bytes, field_size}; }
  std::string_view value() const { return {bytes + field_size, value_size}; }
  size_t Size() const { return offsetof(Node, bytes) + field_size + value_size; }
  bool unsaved() const { return unsaved_; }
  void set_unsaved(bool unsaved) { unsaved_ = unsaved; }
  bool on_disk() const { return on_disk_; }
  void set_on_disk(bool on_disk) { on_disk_ = on_disk; }

  void SetValue(std::string_view value) {
    if (!value.empty()) std::memcpy(bytes + field_size, value.data(), value.size());
  }

  static Node* New(std::string_view field, std::string_view value) {
    void* memory = ::operator new(offsetof(Node, bytes) + field.size() + value.size());
    Node* node = static_cast<Node*>(memory);
    node->next = nullptr;
    node->unsaved_ = node->on_disk_ = false;
    node->field_size = static_cast<uint32_t>(field.size());
    node->value_size = static_cast<uint32_t>(value.size());
    if (!field.empty()) std::memcpy(node->bytes, field.data(), field.size());
    node->SetValue(value);
    return node;
  }
  static void Delete(Node* node) { ::operator delete(node); }
};

struct Hash::Table {
  ~Table() { nodes.Drain(Node::Delete); }

  void Insert(std::string_view field, std::string_view value, uint64_t hash) {
    Node* node = Node::New(field, value);
    node_bytes += node->Size();
    nodes.Insert(node, hash);
    if (parts != nullptr) parts->Added(*node, hash);
  }

  bool Set(std::string_view field, std::string_view value) {
    const uint64_t hash = HashKey(field);
    Node* node = nodes.Find(field, hash);
    if (node == nullptr) {
      Insert(field, value, hash);
      return true;
    }
    if (parts != nullptr) parts->Changed(*node, hash, value.size());
    if (node->value_size == value.size()) {
      node->SetValue(value);
      return false;
    }
    Node* replacement = Node::New(field, value);
    replacement->unsaved_ = node->unsaved_;
    replacement->on_disk_ = node->on_disk_;
    node_bytes += replacement->Size() - node->Size();
    nodes.Replace(node, replacement, hash);
    Node::Delete(node);
    return false;
  }

  HashTable<Node> nodes;
  size_t node_bytes = 0;
  std::unique_ptr<UnsavedParts> parts = UnsavedParts::NewIfPersistent();
};

Hash::Hash() = default;
Hash::Hash(Hash&&) noexcept = default;
Hash& Hash::operator=(Hash&&) noexcept = default;
Hash::~Hash() = default;

Hash Hash::Clone() const {
  Hash clone;
  clone.packed_ = packed_;
  clone.packed_count_ = packed_count_;
  if (table_ != nullptr) {
    clone.table_ = std::make_unique<Table>();
    table_->nodes.ForEach([&](const Node* node) {
      clone.table_->Insert(node->key(), node->value(), HashKey(node->key()));
    });
  }
  return clone;
}

void Hash::Prefetch(std::span<const uint64_t> hashes) const {
  if (table_ != nullptr) table_->nodes.Prefetch(hashes);
}

UnsavedParts* Hash::parts() const { return table_ == nullptr ? nullptr : table_->parts.get(); }

void Hash::CollectParts(Visitor put) {
  table_->parts->Collect(table_->nodes, [&](const Node& node) { put(node.key(), node.value()); });
}

size_t Hash::size() const { return table_ != nullptr ? table_->nodes.size() : packed_count_; }

size_t Hash::FindPacked(std::string_view field) const {
  size_t position = 0;
  const size_t end = packed_.End();
  while (position != end && packed_.At(position) != field) {
    position = packed_.Next(packed_.Next(position));
  }
  return position;
}

std::optional<std::string_view> Hash::Get(std::string_view field) const {
  if (table_ != nullptr) {
    const Node* node = table_->nodes.Find(field);
    return node == nullptr ? std::nullopt : std::optional(node->value());
  }
  const size_t position = FindPacked(field);
  if (position == packed_.End()) return std::nullopt;
  return packed_.At(packed_.Next(position));
}

bool Hash::Set(std::string_view field, std::string_view value) {
  const size_t max_size = g_encoding_limits.hash_max_listpack_value.load(std::memory_order_relaxed);
  if (table_ == nullptr && (field.size() > max_size || value.size() > max_size)) Convert();
  return table_ != nullptr ? table_->Set(field, value) : SetPacked(field, value);
}

bool Hash::SetPacked(std::string_view field, std::string_view value) {
  const size_t position = FindPacked(field);
  if (position != packed_.End()) {
    packed_.Replace(packed_.Next(position), value);
    return false;
  }
  if (packed_count_ >=
      g_encoding_limits.hash_max_listpack_entries.load(std::memory_order_relaxed)) {
    Convert();
    return table_->Set(field, value);
  }
  packed_.Append(field);
  packed_.Append(value);
  ++packed_count_;
  return true;
}

void Hash::Convert() {
  auto table = std::make_unique<Table>();
  ForEach([&](std::string_view field, std::string_view value) {
    table->Insert(field, value, HashKey(field));
  });
  table_ = std::move(table);
  packed_ = PackedStrings();
  packed_count_ = 0;
}

bool Hash::Remove(std::string_view field) {
  if (table_ != nullptr) {
    Node* node = table_->nodes.Remove(field);
    if (node == nullptr) return false;
    if (table_->parts != nullptr) table_->parts->Removed(table_->nodes, *node);
    table_->node_bytes -= node->Size();
    Node::Delete(node);
    return true;
  }
  const size_t position = FindPacked(field);
  if (position == packed_.End()) return false;
  packed_.Erase(position, packed_.Next(packed_.Next(position)));
  --packed_count_;
  return true;
}

void Hash::ForEach(Visitor visit) const {
  if (table_ != nullptr) {
    table_->nodes.ForEach([&](const Node* node) { visit(node->key(), node->value()); });
    return;
  }
  for (size_t field = 0; field != packed_.End();) {
    const size_t value = packed_.Next(field);
    visit(packed_.At(field), packed_.At(value));
    field = packed_.Next(value);
  }
}

uint64_t Hash::Scan(uint64_t cursor, size_t count, Visitor visit) const {
  if (table_ != nullptr) {
    return ScanNodes(table_->nodes, cursor, count,
                     [&](const Node* node) { visit(node->key(), node->value()); });
  }
  ForEach(visit);
  return 0;
}

void Hash::VisitRandom(RandomBits random, Visitor visit) const {
  if (table_ != nullptr) {
    const Node* node = table_->nodes.RandomNode(random);
    visit(node->key(), node->value());
    return;
  }
  size_t field = 0;
  for (size_t skip = random() % packed_count_; skip > 0; --skip) {
    field = packed_.Next(packed_.Next(field));
  }
  visit(packed_.At(field), packed_.At(packed_.Next(field)));
}

void Hash::VisitSample(size_t count, RandomBits random, Visitor visit) const {
  if (count >= size()) return ForEach(visit);
  if (table_ != nullptr) {
    for (const Node* node : SampleNodes(table_->nodes, count, random)) {
      visit(node->key(), node->value());
    }
    return;
  }
  std::vector<std::pair<std::string_view, std::string_view>> all;
  ForEach([&](std::string_view field, std::string_view value) { all.emplace_back(field, value); });
  for (const size_t index : SampleIndexes(all.size(), count, random)) {
    visit(all[index].first, all[index].second);
  }
}

size_t Hash::MemoryUsage() const {
  if (table_ == nullptr) return packed_.MemoryUsage();
  return sizeof(Table) + table_->nodes.MemoryUsage() + table_->node_bytes;
}

}  // namespace chorale
