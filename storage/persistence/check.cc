#include "storage/persistence/check.h"

#include <memory>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "storage/persistence/layer_rows.h"
#include "storage/persistence/row_scan.h"

namespace chorale {
namespace {

// One run over all families. What belongs together is compared: a key in parts has parts, and every
// part has its key.
class Checker final : public LayerRowsSink {
 public:
  Checker(DataDirectory& directory, int64_t now_ms) : directory_(directory), now_ms_(now_ms) {}

  absl::StatusOr<DirectorySummary> Run() {
    const auto format = directory_.ReadFormat();
    if (!format.ok()) return format.status();
    summary_.version = DataDirectory::kFormatVersion;
    summary_.clean = format->clean;
    summary_.keys.resize(format->spaces.size());
    for (size_t db = 0; db < format->spaces.size(); ++db) databases_[format->spaces[db]] = db;

    auto status = CheckEach(Family::kKeys,
                            [this](auto name, auto content) { return CheckKey(name, content); });
    for (const ValueType type :
         {ValueType::kList, ValueType::kHash, ValueType::kSet, ValueType::kSortedSet}) {
      if (!status.ok()) return status;
      status = CheckEach(FamilyOfParts(type), [this, type](auto name, auto content) {
        return CheckPart(type, name, content);
      });
    }
    if (!status.ok()) return status;
    for (const auto& [number, parts] : parts_) {
      if (parts.rows == 0) return Damaged(directory_, "a large value has none of its parts");
    }
    LayerRows rows(*this);
    status = ReadLayerRows(directory_, rows, [this](size_t bytes) {
      summary_.bytes += bytes;
      return true;
    });
    if (!status.ok()) return status;
    summary_.layers = rows.layers();
    return std::move(summary_);
  }

 private:
  template <typename Check>
  absl::Status CheckEach(Family family, Check check) {
    return RowScan(directory_, family)
        .ForEach({}, [&](std::string_view name, std::string_view content) {
          summary_.bytes += name.size() + content.size();
          return check(name, content);
        });
  }

  bool CheckKey(std::string_view name, std::string_view content) {
    const auto key = ReadKeyName(name);
    const auto row = ReadKeyRow(content);
    if (!key || !row) return false;
    const auto database = databases_.find(key->space);
    if (database == databases_.end()) return false;
    ++summary_.keys[database->second][std::string(ValueTypeName(row->type))];
    if (row->expiry_ms && *row->expiry_ms <= now_ms_) ++summary_.expired;
    if (row->parts) {
      return parts_.emplace(row->parts->number, PartsOf{row->type, row->parts->space, 0}).second;
    }
    return row->type == ValueType::kString ||
           ReadElements(row->type, row->value, [](const Element&) {});
  }

  bool CheckPart(ValueType type, std::string_view name, std::string_view content) {
    const auto part = ReadPartName(type, name);
    if (!part) return false;
    const auto parts = parts_.find(part->id.number);
    if (parts == parts_.end() || parts->second.type != type ||
        parts->second.space != part->id.space) {
      return false;
    }
    ++parts->second.rows;
    if (type == ValueType::kList) {
      return ReadElements(type, content, [this](const Element&) { ++summary_.elements; });
    }
    ++summary_.elements;
    return ReadPart(type, part->part, content).has_value();
  }

  void TakePolicy(std::string_view, LayerPolicy) override {}
  void TakeMember(const LayerRowName&, int64_t) override { ++summary_.memberships; }
  void TakeQueue(std::string_view, std::unique_ptr<ChannelQueue> queue) override {
    ++summary_.channels;
    summary_.messages += queue->size();
  }
  void TakeMailbox(StoredMailbox mailbox) override {
    ++summary_.mailboxes;
    summary_.memberships += mailbox.members.size();
    for (const MailboxEvent& event : mailbox.events) summary_.messages += IsMessage(event) ? 1 : 0;
  }

  struct PartsOf {
    ValueType type;
    uint32_t space;
    uint64_t rows;
  };

  DataDirectory& directory_;
  const int64_t now_ms_;
  DirectorySummary summary_;
  absl::flat_hash_map<uint32_t, size_t> databases_;
  absl::flat_hash_map<uint64_t, PartsOf> parts_;  // by number
};

}  // namespace

absl::StatusOr<DirectorySummary> CheckRows(DataDirectory& directory, int64_t now_ms) {
  return Checker(directory, now_ms).Run();
}

}  // namespace chorale
