#include "storage/persistence/row_scan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"

namespace chorale {
namespace {

constexpr size_t kReadAhead = 512 << 10;
// What of a row's name is shown.
constexpr size_t kShownName = 100;

rocksdb::ReadOptions Reading() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = kReadAhead;
  return options;
}

}  // namespace

absl::Status Damaged(const DataDirectory& directory, std::string_view what) {
  return absl::DataLossError(
      fmt::format("the data directory {} is damaged: {}", directory.path(), what));
}

RowScan::RowScan(DataDirectory& directory, Family family)
    : directory_(directory),
      family_(family),
      rows_(directory.db().NewIterator(Reading(), directory.family(family))) {}

std::optional<std::string_view> RowScan::NameFrom(std::string_view name) {
  rows_->Seek({name.data(), name.size()});
  if (!rows_->Valid()) return std::nullopt;
  return View(rows_->key());
}

absl::Status RowScan::status() const {
  if (rows_->status().ok()) return absl::OkStatus();
  return Damaged(directory_,
                 fmt::format("the family {}: {}", kFamilyNames[static_cast<size_t>(family_)],
                             rows_->status().ToString()));
}

absl::Status RowScan::MakesNoSense(std::string_view name) const {
  return Damaged(directory_,
                 fmt::format("the row \"{}\" of the family {} makes no sense",
                             absl::CHexEscape({name.data(), std::min(name.size(), kShownName)}),
                             kFamilyNames[static_cast<size_t>(family_)]));
}

}  // namespace chorale
