// Goes over the rows of a family, in their order. Used by one thread.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/db.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/rows.h"

namespace chorale {

// Of a directory that cannot be used; one line for the operator.
[[nodiscard]] absl::Status Damaged(const DataDirectory& directory, std::string_view what);

class RowScan {
 public:
  // The directory outlives it and is not written meanwhile.
  RowScan(DataDirectory& directory, Family family);

  // Calls read(name, content) for each row whose name begins with `prefix`, until it returns false:
  // that row makes no sense.
  template <typename Read>
  [[nodiscard]] absl::Status ForEach(std::string_view prefix, Read read) {
    for (rows_->Seek({prefix.data(), prefix.size()}); rows_->Valid(); rows_->Next()) {
      const std::string_view name = View(rows_->key());
      if (!name.starts_with(prefix)) break;
      if (!read(name, View(rows_->value()))) return MakesNoSense(name);
    }
    return status();
  }
  // Calls read(name) for the first of the rows whose names begin with the same `size` bytes, until
  // it returns false, as above.
  template <typename Read>
  [[nodiscard]] absl::Status ForEachPrefix(size_t size, Read read) {
    rows_->SeekToFirst();
    while (rows_->Valid()) {
      const std::string_view name = View(rows_->key());
      if (!read(name)) return MakesNoSense(name);
      const std::string next = AfterPrefix(std::string(name.substr(0, size)));
      if (next.empty()) break;
      rows_->Seek(next);
    }
    return status();
  }
  // The name of the first row that is not before `name`, until the scan goes on; nullopt if there
  // is none, or none that could be read.
  [[nodiscard]] std::optional<std::string_view> NameFrom(std::string_view name);
  // Whether everything could be read so far.
  [[nodiscard]] absl::Status status() const;

 private:
  static std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
  [[nodiscard]] absl::Status MakesNoSense(std::string_view name) const;

  const DataDirectory& directory_;
  const Family family_;
  const std::unique_ptr<rocksdb::Iterator> rows_;
};

}  // namespace chorale
