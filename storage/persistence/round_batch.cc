#include "storage/persistence/round_batch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "storage/hash.h"
#include "storage/layers/channel_queue.h"
#include "storage/list.h"
#include "storage/persistence/layer_records.h"
#include "storage/persistence/rows.h"
#include "storage/set.h"
#include "storage/sorted_set.h"

namespace chorale {
namespace {

// So many rows are erased one by one; more, as a range, which costs every reader of the table.
constexpr uint64_t kFewRows = 64;
// How far ahead of the key at hand the others are brought into the cache.
constexpr size_t kPrefetch = 16;
// A batch that grew beyond this gives its memory back.
constexpr size_t kKeptBatch = 8 << 20;
// About what RocksDB adds to a row's name and content in a batch.
constexpr size_t kBatchRow = 8;
constexpr size_t kUncounted = 64 << 10;

void AppendValue(const Entry& entry, std::string* out) {
  IntegerText scratch;
  switch (entry.type()) {
    case ValueType::kString:
      out->append(entry.StringValue(scratch));
      return;
    case ValueType::kList: {
      const List& list = entry.object<List>();
      AppendVarint(out, list.size());
      list.ForEach(0, list.size(), [&](std::string_view element) { AppendElement(out, element); });
      return;
    }
    case ValueType::kHash: {
      const Hash& hash = entry.object<Hash>();
      AppendVarint(out, hash.size());
      hash.ForEach([&](std::string_view field, std::string_view value) {
        AppendElement(out, field);
        AppendElement(out, value);
      });
      return;
    }
    case ValueType::kSet: {
      const Set& set = entry.object<Set>();
      AppendVarint(out, set.size());
      set.ForEach([&](std::string_view member) { AppendElement(out, member); });
      return;
    }
    case ValueType::kSortedSet: {
      const SortedSet& set = entry.object<SortedSet>();
      AppendVarint(out, set.size());
      set.ForEach([&](std::string_view member, double score) {
        AppendElement(out, member);
        AppendScore(out, score);
      });
      return;
    }
    case ValueType::kChannelQueue:
      return;
  }
}

// Calls save(Entry*), which takes it for saved, for each key that is to be written. The ones that
// follow are brought into the cache meanwhile.
template <typename Save>
void ForEachChanged(const Database& database, Save save) {
  const auto& entries = database.entries();
  const std::vector<uint64_t>& changed = database.unsaved.changed;
  for (size_t i = 0; i < changed.size(); ++i) {
    if (i + kPrefetch < changed.size()) {
      const Entry* const soon = entries.FirstInBucket(changed[i + kPrefetch / 4]);
      if (soon != nullptr && soon->type() != ValueType::kString) {
        __builtin_prefetch(&soon->object<char>());
      }
      __builtin_prefetch(entries.FirstInBucket(changed[i + kPrefetch / 2]));
      __builtin_prefetch(entries.BucketOf(changed[i + kPrefetch]));
    }
    entries.ForEachInBucket(changed[i], [&](Entry* entry) {
      if (entry->unsaved()) save(entry);
    });
  }
}

}  // namespace

void RoundBatch::Append(Family family, std::string_view name, std::string_view content,
                        bool erases) {
  if (rows_.empty()) {
    rows_.reserve(last_rows_);
    bytes_.reserve(last_bytes_);
  }
  uncounted_ += name.size() + content.size() + kUnsavedRowBytes;
  if (uncounted_ > kUncounted) Count();
  rows_.push_back({bytes_.size(), static_cast<uint32_t>(name.size()),
                   static_cast<uint32_t>(content.size()), family, erases, 0});
  bytes_.append(name).append(content);
}

// Rows of the same name stay in the order in which they came.
void RoundBatch::Sort() {
  // Names of a family begin alike, and differ soon behind that: the eight bytes there decide about
  // most, and lie in the row.
  std::array<std::optional<std::string_view>, kFamilyNames.size()> alike;
  for (const Row& row : rows_) {
    auto& begin = alike[static_cast<size_t>(row.family)];
    const std::string_view name = NameOf(row);
    if (!begin) begin = name;
    const auto differ = std::mismatch(begin->begin(), begin->end(), name.begin(), name.end()).first;
    begin = begin->substr(0, static_cast<size_t>(differ - begin->begin()));
  }
  for (Row& row : rows_) {
    const std::string_view rest =
        NameOf(row).substr(alike[static_cast<size_t>(row.family)]->size());
    uint64_t order = 0;
    std::memcpy(&order, rest.data(), std::min(rest.size(), sizeof(order)));
    row.order = __builtin_bswap64(order);
  }
  std::sort(rows_.begin(), rows_.end(), [this](const Row& a, const Row& b) {
    if (a.family != b.family) return a.family < b.family;
    if (a.order != b.order) return a.order < b.order;
    const int order = NameOf(a).compare(NameOf(b));
    return order != 0 ? order < 0 : a.begin < b.begin;
  });
}

void RoundBatch::Count() { waiting_.Add(std::exchange(uncounted_, 0)); }

void RoundBatch::Seal() {
  Count();
  Sort();
  last_bytes_ = bytes_.size();
  last_rows_ = rows_.size();
  if (sealed_.Count() == 0 && bytes_.size() > kKeptBatch) {
    sealed_ = rocksdb::WriteBatch(bytes_.size() + rows_.size() * kBatchRow);
  }
  for (const Range& range : ranges_) {
    sealed_.DeleteRange(directory_.family(range.family), range.begin, range.end);
  }
  for (const Row& row : rows_) {
    const rocksdb::Slice name(bytes_.data() + row.begin, row.name_size);
    if (row.erases) {
      sealed_.Delete(directory_.family(row.family), name);
    } else {
      sealed_.Put(directory_.family(row.family), name,
                  {bytes_.data() + row.begin + row.name_size, row.content_size});
    }
  }
  rows_.clear();
  ranges_.clear();
  bytes_.clear();
  if (bytes_.capacity() > kKeptBatch) bytes_.shrink_to_fit();
  if (rows_.capacity() * sizeof(Row) > kKeptBatch) rows_.shrink_to_fit();
}

void RoundBatch::ClearSealed() {
  const bool large = sealed_.GetDataSize() > kKeptBatch;
  sealed_.Clear();
  waiting_.Clear();
  if (large) sealed_ = rocksdb::WriteBatch();
}

bool RoundBatch::CollectShard(LockedKeys& keys, int index, const std::vector<uint32_t>& spaces,
                              HoldBack hold_back) {
  Shard& shard = keys.shard(index);
  shard.mutex.AssertHeld();
  for (const DroppedParts& dropped : shard.dropped_parts) DropParts(dropped);
  shard.dropped_parts.clear();
  for (const DroppedMessages& dropped : shard.dropped_messages) {
    EraseMessages(dropped.queue_key, dropped.begin, dropped.end);
  }
  shard.dropped_messages.clear();

  for (size_t db = 0; db < spaces.size(); ++db) {
    Database& database = *shard.databases[db];
    UnsavedNames& unsaved = database.unsaved;
    ForEachChanged(database, [&](Entry* entry) { SaveKey(database, entry, spaces[db]); });
    for (const std::string& key : unsaved.erased) {
      if (database.Find(key, HashKey(key)) != nullptr) continue;
      NameKeyRow(spaces[db], key, &name_);
      Erase(Family::kKeys);
    }
    unsaved.Clear();
  }

  // The rows of channels are those of their messages.
  Database& queues = *shard.databases[static_cast<size_t>(keys.store().layers_db())];
  std::vector<Entry*> held_back;
  ForEachChanged(queues, [&](Entry* entry) {
    // Also of one that is held back, or it would be looked at, and noted, again and again with
    // others of its bucket.
    entry->set_unsaved(false);
    if (!SaveQueue(entry->key(), entry->object<ChannelQueue>(), hold_back)) {
      held_back.push_back(entry);
    }
  });
  queues.unsaved.Clear();
  for (Entry* const entry : held_back) {
    queues.unsaved.Changed(*entry, HashKey(entry->key()), kUnsavedRowBytes + entry->key().size());
  }
  shard.marked = false;
  return !held_back.empty();
}

void RoundBatch::DropSpace(uint32_t space) {
  std::string begin, end;
  AppendBig32(&begin, space);
  AppendBig32(&end, space + 1);
  for (const Family family :
       {Family::kKeys, Family::kLists, Family::kHashes, Family::kSets, Family::kSortedSets}) {
    EraseRange(family, begin, end);
  }
}

void RoundBatch::SaveKey(Database& database, Entry* entry, uint32_t space) {
  entry->set_unsaved(false);
  entry->set_on_disk(true);
  Parts* const parts = entry->parts();
  KeyRow row;
  row.type = entry->type();
  const int64_t expiry = database.expiry(entry);
  if (expiry != Database::kNever) row.expiry_ms = expiry;
  if (parts != nullptr) row.parts = IdOf(*parts, space);
  NameKeyRow(space, entry->key(), &name_);
  content_.clear();
  AppendKeyHeader(row, &content_);
  if (parts == nullptr) AppendValue(*entry, &content_);
  Put(Family::kKeys);
  if (parts == nullptr) return;

  switch (entry->type()) {
    case ValueType::kList:
      return SaveBlocks(entry->object<List>());
    case ValueType::kHash: {
      Hash& hash = entry->object<Hash>();
      EraseParts(hash, *hash.parts(), Family::kHashes);
      hash.CollectParts([&](std::string_view field, std::string_view value) {
        NamePartRow(parts->id, field, &name_);
        Put(Family::kHashes, name_, value);
      });
      return hash.parts()->Saved();
    }
    case ValueType::kSet: {
      Set& set = entry->object<Set>();
      EraseParts(set, *set.parts(), Family::kSets);
      set.CollectParts([&](std::string_view member) {
        NamePartRow(parts->id, member, &name_);
        Put(Family::kSets, name_, {});
      });
      return set.parts()->Saved();
    }
    case ValueType::kSortedSet: {
      SortedSet& set = entry->object<SortedSet>();
      EraseParts(set, *set.parts(), Family::kSortedSets);
      set.CollectParts([&](std::string_view member, double score) {
        NamePartRow(parts->id, member, &name_);
        content_.clear();
        AppendScore(&content_, score);
        Put(Family::kSortedSets);
      });
      return set.parts()->Saved();
    }
    case ValueType::kString:
    case ValueType::kChannelQueue:
      return;
  }
}

PartsId RoundBatch::IdOf(Parts& parts, uint32_t space) {
  if (parts.id.number == 0) parts.id = {space, next_number_++};
  return parts.id;
}

namespace {

bool Has(const Hash& hash, std::string_view field) { return hash.Contains(field); }
bool Has(const Set& set, std::string_view member) { return set.Contains(member); }
bool Has(const SortedSet& set, std::string_view member) { return set.Score(member).has_value(); }

}  // namespace

// Those that are gone, and have not come again.
template <typename T>
void RoundBatch::EraseParts(const T& value, UnsavedParts& parts, Family family) {
  if (parts.all) return;
  for (const std::string& part : parts.names.erased) {
    if (Has(value, part)) continue;
    NamePartRow(parts.id, part, &name_);
    Erase(family);
  }
}

void RoundBatch::SaveBlocks(List& list) {
  UnsavedBlocks& parts = *list.parts();
  for (const int32_t order : parts.removed) {
    NameBlockRow(parts.id, order, &name_);
    Erase(Family::kLists);
  }
  list.SaveBlocks(parts.all, [&](int32_t order, const std::vector<std::string_view>& elements) {
    NameBlockRow(parts.id, order, &name_);
    content_.clear();
    AppendVarint(&content_, elements.size());
    for (const std::string_view element : elements) AppendElement(&content_, element);
    Put(Family::kLists);
  });
  parts.Saved();
}

bool RoundBatch::SaveQueue(std::string_view key, ChannelQueue& queue, HoldBack hold_back) {
  return queue.Save(
      hold_back, [&](uint64_t begin, uint64_t end) { EraseMessages(key, begin, end); },
      [&](uint64_t number, std::string_view message, int64_t expires_at_ms) {
        NameMessageRow(key, number, &name_);
        EncodeMessage(message, expires_at_ms, &content_);
        Put(Family::kChannels);
      });
}

void RoundBatch::EraseMessages(std::string_view queue_key, uint64_t begin, uint64_t end) {
  if (end - begin > kFewRows) {
    std::string after;
    NameMessageRow(queue_key, begin, &name_);
    NameMessageRow(queue_key, end, &after);
    return EraseRange(Family::kChannels, name_, std::move(after));
  }
  for (; begin < end; ++begin) {
    NameMessageRow(queue_key, begin, &name_);
    Erase(Family::kChannels);
  }
}

void RoundBatch::DropParts(const DroppedParts& dropped) {
  std::string after;
  NamePartRow(dropped.id, {}, &name_);
  NamePartRow({dropped.id.space, dropped.id.number + 1}, {}, &after);
  EraseRange(FamilyOfParts(dropped.type), name_, std::move(after));
}

// ---- layers ----

namespace {

// The rows of one mailbox.
class MailboxRows final : public MailboxSaver {
 public:
  MailboxRows(std::string prefix, RoundBatch& batch) : prefix_(std::move(prefix)), batch_(batch) {}

  void PutState(const MailboxState& state) override {
    EncodeMailbox(state, &content_);
    batch_.Put(kFamily, prefix_ + 's', content_);
  }
  void PutMember(std::string_view member, int64_t expires_at_ms) override {
    content_.clear();
    AppendLittle64(&content_, static_cast<uint64_t>(expires_at_ms));
    batch_.Put(kFamily, Member(member), content_);
  }
  void EraseMember(std::string_view member) override { batch_.Erase(kFamily, Member(member)); }
  void PutEvent(const MailboxEvent& event) override {
    EncodeEvent(event, &content_);
    batch_.Put(kFamily, Event(event.number), content_);
  }
  void EraseEvents(uint64_t begin, uint64_t end) override {
    if (end - begin > kFewRows) return batch_.EraseRange(kFamily, Event(begin), Event(end));
    for (; begin < end; ++begin) batch_.Erase(kFamily, Event(begin));
  }
  void EraseAll() override { batch_.EraseRange(kFamily, prefix_, AfterPrefix(prefix_)); }

 private:
  static constexpr Family kFamily = Family::kMailboxes;

  std::string Member(std::string_view member) const { return (prefix_ + 'm').append(member); }
  std::string Event(uint64_t number) const {
    std::string name = prefix_ + 'e';
    AppendBig64(&name, number);
    return name;
  }

  const std::string prefix_;
  RoundBatch& batch_;
  std::string content_;
};

}  // namespace

void RoundBatch::CollectMailbox(const std::string& layer, Mailbox& mailbox,
                                Mailbox::SaveScope scope) {
  MailboxRows rows(MailboxPrefix(layer, mailbox.name()), *this);
  mailbox.Save(scope, rows);
}

void RoundBatch::PutPolicy(const std::string& layer, const LayerPolicy& policy) {
  EncodePolicy(policy, &content_);
  Put(Family::kLayers, PolicyRow(layer), content_);
}

void RoundBatch::ErasePolicy(const std::string& layer) { Erase(Family::kLayers, PolicyRow(layer)); }

void RoundBatch::PutGroupMember(std::string_view row, int64_t expires_at_ms) {
  content_.clear();
  AppendLittle64(&content_, static_cast<uint64_t>(expires_at_ms));
  Put(Family::kLayers, row, content_);
}

void RoundBatch::EraseGroupMember(std::string_view row) { Erase(Family::kLayers, row); }

}  // namespace chorale
