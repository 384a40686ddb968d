// The rows of one round: collects what changed in shards and layers, and makes a batch of it for
// RocksDB, in which rows lie in their order, because that is cheap to write. Not thread-safe; the
// journal guards it. What is collected counts as saved, so that a batch that could not be written
// is to be kept and written later.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rocksdb/write_batch.h"
#include "storage/layers/mailbox.h"
#include "storage/locked_keys.h"
#include "storage/persistence/data_directory.h"

namespace chorale {

class RoundBatch {
 public:
  explicit RoundBatch(DataDirectory& directory) : directory_(directory) {}

  // Numbers of parts are given from here on.
  void set_next_number(uint64_t number) { next_number_ = number; }
  // Makes the batch of what was collected. There is none yet, or ClearSealed was called.
  void Seal();
  rocksdb::WriteBatch& sealed() { return sealed_; }
  void ClearSealed();
  // What it holds, which counts as waiting until ClearSealed.
  int64_t bytes() const { return waiting_.bytes() + static_cast<int64_t>(uncounted_); }

  void Put(Family family, std::string_view name, std::string_view content) {
    Append(family, name, content, false);
  }
  void Erase(Family family, std::string_view name) { Append(family, name, {}, true); }
  // From `begin` to before `end`: of rows of earlier rounds, and none that this one puts there.
  void EraseRange(Family family, std::string begin, std::string end) {
    waiting_.Add(begin.size() + end.size() + kUnsavedRowBytes);
    ranges_.push_back({family, std::move(begin), std::move(end)});
  }
  void PutFormat(const DataDirectory::Format& format) {
    Put(Family::kDefault, DataDirectory::kFormatRow, DataDirectory::EncodeFormat(format));
  }

  // What changed in a shard, which is held. Returns whether anything was held back.
  bool CollectShard(LockedKeys& keys, int shard, const std::vector<uint32_t>& spaces,
                    HoldBack hold_back);
  void DropSpace(uint32_t space);

  void CollectMailbox(const std::string& layer, Mailbox& mailbox, Mailbox::SaveScope scope);
  void PutPolicy(const std::string& layer, const LayerPolicy& policy);
  void ErasePolicy(const std::string& layer);
  // Of a general channel, under the name of its row.
  void PutGroupMember(std::string_view row, int64_t expires_at_ms);
  void EraseGroupMember(std::string_view row);

 private:
  void SaveKey(Database& database, Entry* entry, uint32_t space);
  // The number of a value's parts, given to it now if it has none.
  PartsId IdOf(Parts& parts, uint32_t space);
  template <typename T>
  void EraseParts(const T& value, UnsavedParts& parts, Family family);
  void SaveBlocks(List& list);
  bool SaveQueue(std::string_view key, ChannelQueue& queue, HoldBack hold_back);
  void EraseMessages(std::string_view queue_key, uint64_t begin, uint64_t end);
  void DropParts(const DroppedParts& dropped);

  void Count();  // what is uncounted
  void Put(Family family) { Append(family, name_, content_, false); }
  void Erase(Family family) { Append(family, name_, {}, true); }
  void Append(Family family, std::string_view name, std::string_view content, bool erases);

  // A row in bytes_: its name, then its content.
  struct Row {
    size_t begin;
    uint32_t name_size;
    uint32_t content_size;
    Family family;
    bool erases;
    uint64_t order;  // Sort's
  };
  void Sort();
  std::string_view NameOf(const Row& row) const {
    return std::string_view(bytes_).substr(row.begin, row.name_size);
  }
  struct Range {
    Family family;
    std::string begin, end;
  };

  DataDirectory& directory_;
  std::string bytes_;
  std::vector<Row> rows_;
  std::vector<Range> ranges_;
  size_t last_bytes_ = 0, last_rows_ = 0;  // of the round before
  rocksdb::WriteBatch sealed_;
  UnsavedBytes waiting_;
  size_t uncounted_ = 0;  // of rows, to be added to that: one by one they would cost more
  uint64_t next_number_ = 1;
  std::string name_, content_;  // of the row at hand
};

}  // namespace chorale
