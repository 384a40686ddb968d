// The data directory: a RocksDB database of ours, opened, written, copied and verified. All members
// may be called by any thread, one at a time, but for Copy, which goes on beside the others.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "storage/persistence/rows.h"

namespace chorale {

class DataDirectory {
 public:
  // Of the rows. An unknown one is refused.
  static constexpr uint32_t kFormatVersion = 1;

  enum class Mode : uint8_t {
    kReadWrite,
    kReadOnly,
    kRepair,  // to write, and whatever lies in the log behind damage is dropped
  };

  // What it is to be fast for; nothing else depends on it.
  enum class Batches : uint8_t {
    kLarge,  // of a second's changes
    kSmall,  // of a few changes each
  };

  // Opens the directory, and makes it if it is missing and may be written. The message of a failure
  // is one line for the operator. `env` is RocksDB's own if it is nullptr.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(
      const std::string& path, Mode mode, rocksdb::Env* env = nullptr,
      Batches batches = Batches::kLarge);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Something was dropped when it was opened, which only kRepair does.
  bool dropped() const { return dropped_; }
  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) const {
    return families_[static_cast<size_t>(family)];
  }

  // Writes all of the batch or, as far as a restart can see, none of it. What has failed in the
  // background before, such as making a table, is no reason not to try.
  [[nodiscard]] absl::Status Write(rocksdb::WriteBatch* batch, bool sync);
  // Opens it again after an error, which keeps RocksDB from writing. Waits for a copy that is being
  // made.
  [[nodiscard]] absl::Status Reopen();
  // A copy in `path`, which does not exist. It has everything that was written before; of what is
  // written meanwhile some batches, from the first one on, each as a whole.
  [[nodiscard]] absl::Status Copy(const std::string& path);
  // Lets the next Open read tables and not a log. To be called when nothing more is written.
  [[nodiscard]] absl::Status Settle();

  // ---- the row "format" ----
  struct Format {
    bool clean = true;
    bool always = false;
    bool importing = false;        // and not at its end
    std::vector<uint32_t> spaces;  // by database
    uint32_t next_space = 0;
  };
  // That of an empty directory has no spaces. Fails if it is another version's, or if the directory
  // has a part of a dump only.
  [[nodiscard]] absl::StatusOr<Format> ReadFormat();
  // Takes back what it says of nothing being missing.
  [[nodiscard]] absl::Status MarkIncomplete();
  static constexpr std::string_view kFormatRow = "format";
  [[nodiscard]] static std::string EncodeFormat(const Format& format);

 private:
  DataDirectory(std::string path, Mode mode, rocksdb::Env* env, Batches batches);
  [[nodiscard]] absl::Status OpenDatabase();
  // The first so many of the families.
  [[nodiscard]] rocksdb::Status OpenDatabase(const rocksdb::DBOptions& options, bool read_only,
                                             size_t families = kFamilyNames.size());
  // Fails if it has others than this version, and says which version it has.
  [[nodiscard]] absl::Status CheckFamilies();
  // Whether it could be opened if the rest of the log were dropped behind what is damaged in it.
  [[nodiscard]] bool IsLogDamaged();
  void Close();

  const std::string path_;
  const Mode mode_;
  rocksdb::Env* const env_;
  const Batches batches_;
  // Held for reading by a copy, and for writing by what opens or closes.
  absl::Mutex open_mutex_;
  std::unique_ptr<rocksdb::DB> db_;
  bool dropped_ = false;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyNames.size()> families_{};
};

}  // namespace chorale
