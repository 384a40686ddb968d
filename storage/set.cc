#include "storage/set.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "storage/encoding_limits.h"
#include "storage/hash_table.h"
#include "storage/key_hash.h"
#include "storage/unsaved.h"

namespace chorale {
namespace {

size_t Limit(const std::atomic<size_t>& limit) { return limit.load(std::memory_order_relaxed); }

// The decimal digits of an integer member, while it is alive.
class Digits {
 public:
  explicit Digits(int64_t value)
      : size_(static_cast<size_t>(std::to_chars(text_, text_ + sizeof(text_), value).ptr - text_)) {
  }
  operator std::string_view() const { return {text_, size_}; }

 private:
  char text_[20];
  size_t size_;
};

}  // namespace

struct Set::Node {
  Node* next;
  uint32_t size;
  bool unsaved_ : 1;
  bool on_disk_ : 1;
  char bytes[];

  std::string_view key() const { return {bytes, size}; }
  size_t Size() const { return offsetof(Node, bytes) + size; }
  bool unsaved() const { return unsaved_; }
  void set_unsaved(bool unsaved) { unsaved_ = unsaved; }
  bool on_disk() const { return on_disk_; }
  void set_on_disk(bool on_disk) { on_disk_ = on_disk; }

  static Node* New(std::string_view member) {
    Node* node = static_cast<Node*>(::operator new(offsetof(Node, bytes) + member.size()));
    node->next = nullptr;
    node->unsaved_ = node->on_disk_ = false;
    node->size = static_cast<uint32_t>(member.size());
    if (!member.empty()) std::memcpy(node->bytes, member.data(), member.size());
    return node;
  }
  static void Delete(Node* node) { ::operator delete(node); }
};

struct Set::Table {
  ~Table() { nodes.Drain(Node::Delete); }

  bool Add(std::string_view member) {
    const uint64_t hash = HashKey(member);
    if (nodes.Find(member, hash) != nullptr) return false;
    Node* node = Node::New(member);
    node_bytes += node->Size();
    nodes.Insert(node, hash);
    if (parts != nullptr) parts->Added(*node, hash);
    return true;
  }

  bool Remove(std::string_view member) {
    Node* node = nodes.Remove(member);
    if (node == nullptr) return false;
    if (parts != nullptr) parts->Removed(nodes, *node);
    node_bytes -= node->Size();
    Node::Delete(node);
    return true;
  }

  // The parts stay, for they know of rows that are to go.
  void Clear() {
    if (parts != nullptr) nodes.ForEach([this](const Node* node) { parts->Removed(nodes, *node); });
    nodes.Drain(Node::Delete);
    node_bytes = 0;
  }

  HashTable<Node> nodes;
  size_t node_bytes = 0;
  std::unique_ptr<UnsavedParts> parts = UnsavedParts::NewIfPersistent();
};

size_t Set::Packed::Find(std::string_view member) const {
  size_t position = 0;
  while (position != strings.End() && strings.At(position) != member) {
    position = strings.Next(position);
  }
  return position;
}

Set::Set(size_t expected) {
  const size_t most = std::max(Limit(g_encoding_limits.set_max_intset_entries),
                               Limit(g_encoding_limits.set_max_listpack_entries));
  if (expected > most) rep_ = std::make_unique<Table>();
}

Set::Set(Set&&) noexcept = default;
Set& Set::operator=(Set&&) noexcept = default;
Set::~Set() = default;

Set Set::Clone() const {
  Set clone;
  if (const auto* ints = std::get_if<IntSet>(&rep_)) {
    clone.rep_ = *ints;
  } else if (const auto* packed = std::get_if<Packed>(&rep_)) {
    clone.rep_ = *packed;
  } else {
    auto table = std::make_unique<Table>();
    ForEach([&](std::string_view member) { table->Add(member); });
    clone.rep_ = std::move(table);
  }
  return clone;
}

void Set::Prefetch(std::span<const uint64_t> hashes) const {
  if (const auto* table = std::get_if<TablePtr>(&rep_)) (*table)->nodes.Prefetch(hashes);
}

UnsavedParts* Set::parts() const {
  const auto* table = std::get_if<TablePtr>(&rep_);
  return table == nullptr ? nullptr : (*table)->parts.get();
}

void Set::CollectParts(Visitor put) {
  const Table& table = *std::get<TablePtr>(rep_);
  table.parts->Collect(table.nodes, [&](const Node& node) { put(node.key()); });
}

size_t Set::size() const {
  if (const auto* ints = std::get_if<IntSet>(&rep_)) return ints->size();
  if (const auto* packed = std::get_if<Packed>(&rep_)) return packed->count;
  return std::get<TablePtr>(rep_)->nodes.size();
}

std::string_view Set::encoding() const {
  static constexpr std::string_view kNames[] = {"intset", "listpack", "hashtable"};
  return kNames[rep_.index()];
}

size_t Set::MemoryUsage() const {
  if (const auto* ints = std::get_if<IntSet>(&rep_)) return ints->MemoryUsage();
  if (const auto* packed = std::get_if<Packed>(&rep_)) return packed->strings.MemoryUsage();
  const Table& table = *std::get<TablePtr>(rep_);
  return sizeof(Table) + table.nodes.MemoryUsage() + table.node_bytes;
}

bool Set::Contains(std::string_view member) const {
  if (const auto* ints = std::get_if<IntSet>(&rep_)) {
    const auto value = ParseCanonicalInteger(member);
    return value.has_value() && ints->Contains(*value);
  }
  if (const auto* packed = std::get_if<Packed>(&rep_)) {
    return packed->Find(member) != packed->strings.End();
  }
  return std::get<TablePtr>(rep_)->nodes.Find(member) != nullptr;
}

bool Set::Add(std::string_view member) {
  if (std::holds_alternative<IntSet>(rep_)) return AddToIntSet(member);
  if (std::holds_alternative<Packed>(rep_)) return AddToPacked(member);
  return std::get<TablePtr>(rep_)->Add(member);
}

bool Set::AddToIntSet(std::string_view member) {
  auto& ints = std::get<IntSet>(rep_);
  const auto value = ParseCanonicalInteger(member);
  const size_t max_ints = Limit(g_encoding_limits.set_max_intset_entries);
  if (value.has_value() && (ints.size() > 0 || max_ints > 0)) {
    if (!ints.Insert(*value)) return false;
    if (ints.size() > max_ints) ConvertToTable();
    return true;
  }
  ConvertToPacked();
  return Add(member);
}

bool Set::AddToPacked(std::string_view member) {
  auto& packed = std::get<Packed>(rep_);
  if (packed.Find(member) != packed.strings.End()) return false;
  if (packed.count >= Limit(g_encoding_limits.set_max_listpack_entries) ||
      member.size() > Limit(g_encoding_limits.set_max_listpack_value)) {
    ConvertToTable();
    return std::get<TablePtr>(rep_)->Add(member);
  }
  packed.strings.Append(member);
  ++packed.count;
  return true;
}

void Set::ConvertToPacked() {
  const auto& ints = std::get<IntSet>(rep_);
  const size_t max_size = Limit(g_encoding_limits.set_max_listpack_value);
  size_t longest = 0;
  if (ints.size() > 0) {
    longest = std::max(std::string_view(Digits(ints.At(0))).size(),
                       std::string_view(Digits(ints.At(ints.size() - 1))).size());
  }
  if (ints.size() >= Limit(g_encoding_limits.set_max_listpack_entries) || longest > max_size) {
    return ConvertToTable();
  }
  Packed packed;
  ForEach([&](std::string_view member) { packed.strings.Append(member); });
  packed.count = ints.size();
  rep_ = std::move(packed);
}

void Set::ConvertToTable() {
  auto table = std::make_unique<Table>();
  ForEach([&](std::string_view member) { table->Add(member); });
  rep_ = std::move(table);
}

bool Set::Remove(std::string_view member) {
  if (auto* ints = std::get_if<IntSet>(&rep_)) {
    const auto value = ParseCanonicalInteger(member);
    return value.has_value() && ints->Erase(*value);
  }
  if (auto* packed = std::get_if<Packed>(&rep_)) {
    const size_t position = packed->Find(member);
    if (position == packed->strings.End()) return false;
    packed->strings.Erase(position, packed->strings.Next(position));
    --packed->count;
    return true;
  }
  return std::get<TablePtr>(rep_)->Remove(member);
}

void Set::ForEach(Visitor visit) const {
  ForEachWhile([&](std::string_view member) {
    visit(member);
    return true;
  });
}

void Set::ForEachWhile(WhileVisitor visit) const {
  if (const auto* ints = std::get_if<IntSet>(&rep_)) {
    for (size_t i = 0; i < ints->size(); ++i) {
      if (!visit(Digits(ints->At(i)))) return;
    }
  } else if (const auto* packed = std::get_if<Packed>(&rep_)) {
    for (size_t at = 0; at != packed->strings.End(); at = packed->strings.Next(at)) {
      if (!visit(packed->strings.At(at))) return;
    }
  } else {
    const auto& nodes = std::get<TablePtr>(rep_)->nodes;
    uint64_t cursor = 0;
    bool go_on = true;
    do {
      cursor = nodes.Scan(cursor, [&](const Node* node) { go_on = go_on && visit(node->key()); });
    } while (cursor != 0 && go_on);
  }
}

uint64_t Set::Scan(uint64_t cursor, size_t count, Visitor visit) const {
  if (const auto* table = std::get_if<TablePtr>(&rep_)) {
    return ScanNodes((*table)->nodes, cursor, count, [&](const Node* node) { visit(node->key()); });
  }
  ForEach(visit);
  return 0;
}

void Set::VisitRandom(RandomBits random, Visitor visit) const {
  if (const auto* ints = std::get_if<IntSet>(&rep_)) {
    visit(Digits(ints->At(random() % ints->size())));
  } else if (const auto* packed = std::get_if<Packed>(&rep_)) {
    size_t position = 0;
    for (size_t skip = random() % packed->count; skip > 0; --skip) {
      position = packed->strings.Next(position);
    }
    visit(packed->strings.At(position));
  } else {
    visit(std::get<TablePtr>(rep_)->nodes.RandomNode(random)->key());
  }
}

void Set::VisitSample(size_t count, RandomBits random, Visitor visit) const {
  if (count >= size()) return ForEach(visit);
  if (const auto* ints = std::get_if<IntSet>(&rep_)) {
    for (const size_t index : SampleIndexes(ints->size(), count, random)) {
      visit(Digits(ints->At(index)));
    }
  } else if (std::holds_alternative<Packed>(rep_)) {
    std::vector<std::string_view> all;
    ForEach([&](std::string_view member) { all.push_back(member); });
    for (const size_t index : SampleIndexes(all.size(), count, random)) visit(all[index]);
  } else {
    for (const Node* node : SampleNodes(std::get<TablePtr>(rep_)->nodes, count, random)) {
      visit(node->key());
    }
  }
}

void Set::PopRandom(size_t count, RandomBits random, Visitor visit) {
  if (count >= size()) {
    ForEach(visit);
    Clear();
    return;
  }
  for (; count > 0; --count) PopOne(random, visit);
}

void Set::Clear() {
  if (auto* table = std::get_if<TablePtr>(&rep_)) return (*table)->Clear();
  rep_ = IntSet();
}

void Set::PopOne(RandomBits random, Visitor visit) {
  if (auto* ints = std::get_if<IntSet>(&rep_)) {
    const int64_t value = ints->At(random() % ints->size());
    visit(Digits(value));
    ints->Erase(value);
  } else if (auto* packed = std::get_if<Packed>(&rep_)) {
    size_t position = 0;
    for (size_t skip = random() % packed->count; skip > 0; --skip) {
      position = packed->strings.Next(position);
    }
    visit(packed->strings.At(position));
    packed->strings.Erase(position, packed->strings.Next(position));
    --packed->count;
  } else {
    Table& table = *std::get<TablePtr>(rep_);
    const std::string_view member = table.nodes.RandomNode(random)->key();
    visit(member);
    table.Remove(member);
  }
}

}  // namespace chorale
