#include "storage/persistence/data_directory.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "persistence/records.pb.h"
#include "rocksdb/env.h"
#include "rocksdb/memtablerep.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/utilities/table_properties_collectors.h"

namespace chorale {
namespace {

// What RocksDB may gather in memory before it writes a table. The restart after a crash reads so
// much of the log again.
constexpr size_t kWriteBuffer = 16 << 20;
constexpr size_t kAllWriteBuffers = 32 << 20;
constexpr size_t kMostLog = 64 << 20;
constexpr size_t kBlockCache = 8 << 20;

class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// What RocksDB says, in one line.
std::string Describe(const rocksdb::Status& status) {
  std::string text = status.ToString();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// After it could not be opened again.
absl::Status NotOpen() { return absl::UnavailableError("the data directory is not open"); }

// Whether RocksDB says that another process, or this one, has the directory open: in these words
// only, for "lock" is in a message about a block or about a file of that name, too.
bool IsLocked(std::string_view text) {
  return text.find("While lock file: ") != std::string_view::npos ||
         text.find("lock hold by current process") != std::string_view::npos;
}

rocksdb::DBOptions Options(rocksdb::Env* env, bool read_only) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = !read_only;
  options.create_missing_column_families = !read_only;
  // The tail that a crash has torn is dropped, and with it the batch that it belongs to; anything
  // else that is wrong with the log is an error, and not passed over in silence (Mode::kRepair).
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // One writer, which hands over whole batches: nothing to coordinate.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  options.db_write_buffer_size = kAllWriteBuffers;
  options.max_total_wal_size = kMostLog;
  // One flush and one compaction at a time leave a core to the clients.
  options.max_background_jobs = 2;
  options.max_subcompactions = 1;
  // The kernel is told to write while the data is still coming in, so that a sync has little left.
  options.bytes_per_sync = 1 << 20;
  options.wal_bytes_per_sync = 1 << 20;
  // RocksDB's counts of itself, which a thread would gather for its log and for a family of its
  // own.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // Of some megabytes each; descriptors are for clients.
  options.max_open_files = 256;
  // RocksDB's own log would be a file in the directory, which is not to change when it is only
  // read, and whose failure on a full disk is an assertion in Debian's build.
  options.info_log = std::make_shared<NoLog>();
  return options;
}

// A batch's rows lie in their order (RoundBatch). In a large one each belongs near the one before:
// with a hint per prefix, its insertion into a sorted memtable costs a few comparisons. The
// beginning of an erased range must be shorter than the prefix, because RocksDB would take the hint
// of the rows for it, which lie in another list.
//
// A memtable without order, a vector, takes rows for less and is sorted when it becomes a table, in
// the background. Under SETs of 100,000 keys in batches of a second that cost a fifth of the
// broker's time more than the hints; under batches of some dozens, whose rows lie far apart,
// finding their places in a sorted one cost three times as much, and clients wait for it.
void ChooseMemtable(Family family, DataDirectory::Batches batches,
                    rocksdb::ColumnFamilyOptions* options) {
  if (batches == DataDirectory::Batches::kSmall) {
    options->memtable_factory = std::make_shared<rocksdb::VectorRepFactory>();
  } else if (family == Family::kKeys) {
    options->memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(kKeyRowPrefix));
  } else if (family == Family::kLists || family == Family::kHashes || family == Family::kSets ||
             family == Family::kSortedSets) {
    options->memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(kPartRowPrefix + 1));
  }
}

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, DataDirectory::Batches batches) {
  rocksdb::ColumnFamilyOptions options;
  ChooseMemtable(family, batches, &options);
  options.write_buffer_size = kWriteBuffer;
  // Twice RocksDB's own: of rows that nobody takes away half as much is written again, and a start
  // reads all tables in any case.
  options.level0_file_num_compaction_trigger = 8;
  // A round goes on in another memtable while those before become tables, and does not wait.
  options.max_write_buffer_number = 4;
  // Rows live short: tables full of tombstones are compacted although they are small.
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(16384, 8192));
  // Levels grow from the last one up, which has nine tenths of the rows: what was erased or written
  // again takes about a tenth more room. With fixed sizes the first would hold a quarter of a
  // gigabyte before the next begins, and a database of that size nearly everything twice.
  options.level_compaction_dynamic_level_bytes = true;
  // In the background, and next to nothing to undo at the start: JSON of random words takes two
  // thirds of the room, and as much less is written and read.
  options.compression = rocksdb::kLZ4Compression;
  rocksdb::BlockBasedTableOptions table;
  // Tables are read from one end to the other, at the start: large blocks, a small cache, and no
  // filter, which serves lookups.
  table.block_size = 32 << 10;
  table.block_cache = rocksdb::NewLRUCache(kBlockCache);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

DataDirectory::DataDirectory(std::string path, Mode mode, rocksdb::Env* env, Batches batches)
    : path_(std::move(path)),
      mode_(mode),
      env_(env != nullptr ? env : rocksdb::Env::Default()),
      batches_(batches) {}

DataDirectory::~DataDirectory() { Close(); }

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path,
                                                                   Mode mode, rocksdb::Env* env,
                                                                   Batches batches) {
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path, mode, env, batches));
  if (mode == Mode::kReadWrite) {
    const rocksdb::Status made = directory->env_->CreateDirIfMissing(path);
    if (!made.ok()) {
      return absl::FailedPreconditionError(
          fmt::format("cannot make the data directory {}: {}", path, Describe(made)));
    }
  }
  if (const auto status = directory->CheckFamilies(); !status.ok()) return status;
  if (const auto status = directory->OpenDatabase(); !status.ok()) return status;
  if (const auto format = directory->ReadFormat(); !format.ok()) return format.status();
  return directory;
}

absl::Status DataDirectory::OpenDatabase() {
  const bool read_only = mode_ == Mode::kReadOnly;
  rocksdb::DBOptions options = Options(env_, read_only);
  if (mode_ == Mode::kRepair) {
    // RocksDB would make the directory before it finds that there is none.
    if (const auto found = env_->FileExists(path_ + "/CURRENT"); !found.ok()) {
      return absl::FailedPreconditionError(
          fmt::format("cannot open the data directory {}: {}", path_,
                      found.IsNotFound() ? "there is none" : Describe(found)));
    }
    options.create_if_missing = false;
  }
  rocksdb::Status status = OpenDatabase(options, read_only);
  if (mode_ == Mode::kRepair && status.IsCorruption()) {
    dropped_ = true;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    status = OpenDatabase(options, read_only);
  }
  if (status.ok()) return absl::OkStatus();
  const std::string text = Describe(status);
  if (IsLocked(text)) {
    return absl::UnavailableError(
        fmt::format("the data directory {} is in use by another process", path_));
  }
  if (mode_ != Mode::kRepair && status.IsCorruption() && IsLogDamaged()) {
    return absl::DataLossError(
        fmt::format("the log of the data directory {} is damaged ({}): chorale-server --repair {} "
                    "keeps what lies before the damage and drops what lies behind it",
                    path_, text, path_));
  }
  return absl::FailedPreconditionError(
      fmt::format("cannot open the data directory {}: {}", path_, text));
}

// RocksDB would refuse a family too many in words of its own, and make one that is missing, which a
// broker of the other version would refuse then.
absl::Status DataDirectory::CheckFamilies() {
  std::vector<std::string> names;
  // Why a directory cannot be read is said by opening it; a new one has none.
  if (!rocksdb::DB::ListColumnFamilies(Options(env_, true), path_, &names).ok()) {
    return absl::OkStatus();
  }
  const std::set<std::string> known(kFamilyNames.begin(), kFamilyNames.end());
  std::set<std::string> others;
  std::copy_if(names.begin(), names.end(), std::inserter(others, others.end()),
               [&known](const std::string& name) { return !known.contains(name); });
  if (others.empty() && names.size() == known.size()) return absl::OkStatus();
  if (!OpenDatabase(Options(env_, true), true, 1).ok()) return absl::OkStatus();
  const auto format = ReadFormat();
  Close();
  if (!format.ok()) return format.status();
  // Some are missing where the first start did not come to its end.
  if (others.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the data directory {} has format {} and a family {} that does not belong to it",
                  path_, kFormatVersion, *others.begin()));
}

rocksdb::Status DataDirectory::OpenDatabase(const rocksdb::DBOptions& options, bool read_only,
                                            size_t families) {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (size_t family = 0; family < families; ++family) {
    descriptors.emplace_back(kFamilyNames[family],
                             FamilyOptions(static_cast<Family>(family), batches_));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      read_only ? rocksdb::DB::OpenForReadOnly(options, path_, descriptors, &handles, &db)
                : rocksdb::DB::Open(options, path_, descriptors, &handles, &db);
  if (!status.ok()) return status;
  db_.reset(db);
  std::copy(handles.begin(), handles.end(), families_.begin());
  return status;
}

bool DataDirectory::IsLogDamaged() {
  rocksdb::DBOptions options = Options(env_, true);
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  const bool opened = OpenDatabase(options, true).ok();
  Close();
  return opened;
}

void DataDirectory::Close() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle*& handle : families_) {
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(std::exchange(handle, nullptr));
  }
  db_.reset();
}

absl::Status DataDirectory::Write(rocksdb::WriteBatch* batch, bool sync) {
  if (db_ == nullptr) return NotOpen();
  rocksdb::WriteOptions options;
  options.sync = sync;
  rocksdb::Status status = db_->Write(options, batch);
  // Since a flush or a compaction has failed RocksDB refuses every batch, until it is opened again.
  uint64_t failed_before = 0;
  if (!status.ok() &&
      db_->GetIntProperty(rocksdb::DB::Properties::kBackgroundErrors, &failed_before) &&
      failed_before > 0) {
    if (const auto reopened = Reopen(); !reopened.ok()) return reopened;
    status = db_->Write(options, batch);
  }
  return status.ok() ? absl::OkStatus() : absl::UnavailableError(Describe(status));
}

absl::Status DataDirectory::Reopen() {
  absl::MutexLock lock(&open_mutex_);
  Close();
  return OpenDatabase();
}

absl::Status DataDirectory::Copy(const std::string& path) {
  absl::ReaderMutexLock lock(&open_mutex_);
  if (db_ == nullptr) return NotOpen();
  if (env_->FileExists(path).ok()) {
    return absl::AlreadyExistsError(fmt::format("{} exists", path));
  }
  rocksdb::Checkpoint* checkpoint = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &checkpoint);
  const std::unique_ptr<rocksdb::Checkpoint> owned(checkpoint);
  if (status.ok()) status = checkpoint->CreateCheckpoint(path);
  return status.ok() ? absl::OkStatus() : absl::UnavailableError(Describe(status));
}

absl::Status DataDirectory::Settle() {
  if (db_ == nullptr) return absl::OkStatus();
  const rocksdb::Status status =
      db_->Flush(rocksdb::FlushOptions(), {families_.begin(), families_.end()});
  return status.ok() ? absl::OkStatus() : absl::UnavailableError(Describe(status));
}

absl::StatusOr<DataDirectory::Format> DataDirectory::ReadFormat() {
  std::string content;
  const rocksdb::Status status =
      db_->Get({}, family(Family::kDefault), {kFormatRow.data(), kFormatRow.size()}, &content);
  if (status.IsNotFound()) return Format{};
  if (!status.ok()) {
    return absl::DataLossError(
        fmt::format("cannot read the data directory {}: {}", path_, Describe(status)));
  }
  records::Format record;
  if (!record.ParseFromString(content)) {
    return absl::DataLossError(
        fmt::format("the data directory {} has no format that could be read", path_));
  }
  if (record.version() != kFormatVersion) {
    return absl::FailedPreconditionError(
        fmt::format("the data directory {} has format {}; this broker reads and writes format {}",
                    path_, record.version(), kFormatVersion));
  }
  if (record.importing()) {
    return absl::FailedPreconditionError(
        fmt::format("the data directory {} has a part of a dump only: its import did not come to "
                    "its end; remove the directory and import the dump again",
                    path_));
  }
  Format format;
  format.clean = record.clean();
  format.always = record.always();
  format.spaces.assign(record.spaces().begin(), record.spaces().end());
  format.next_space = record.next_space();
  return format;
}

absl::Status DataDirectory::MarkIncomplete() {
  auto format = ReadFormat();
  if (!format.ok()) return format.status();
  format->clean = format->always = false;
  rocksdb::WriteBatch batch;
  batch.Put(family(Family::kDefault), {kFormatRow.data(), kFormatRow.size()},
            EncodeFormat(*format));
  return Write(&batch, true);
}

std::string DataDirectory::EncodeFormat(const Format& format) {
  records::Format record;
  record.set_version(kFormatVersion);
  record.set_clean(format.clean);
  record.set_always(format.always);
  record.set_importing(format.importing);
  record.mutable_spaces()->Assign(format.spaces.begin(), format.spaces.end());
  record.set_next_space(format.next_space);
  return record.SerializeAsString();
}

}  // namespace chorale
