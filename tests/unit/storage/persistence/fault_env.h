// An Env for RocksDB whose disk fails, fills up, or is slow, as a test wishes, and that knows what
// of each file would be left after a loss of power. Thread-safe.

#pragma once

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace chorale {

class FaultyDisk {
 public:
  enum class Fault : uint8_t {
    kNone,
    kWriteError,  // half of what is written gets there
    kFull,
    kSyncError,
  };
  enum class Files : uint8_t { kLogs, kTables, kAll };

  void Fail(Fault fault, Files files) {
    absl::MutexLock lock(&mutex_);
    fault_ = fault;
    files_ = files;
  }
  void Mend() { Fail(Fault::kNone, Files::kAll); }
  // How often something has failed.
  [[nodiscard]] int failures() const {
    absl::MutexLock lock(&mutex_);
    return failures_;
  }

  // From here on a sync of a log does not return before ReleaseSyncs().
  void HoldSyncs() {
    absl::MutexLock lock(&mutex_);
    holds_syncs_ = true;
  }
  void ReleaseSyncs() {
    absl::MutexLock lock(&mutex_);
    holds_syncs_ = false;
    syncs_.SignalAll();
  }
  // False if no sync is held within the time.
  [[nodiscard]] bool AwaitHeldSync(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    const absl::Time deadline = absl::Now() + time;
    while (held_syncs_ == 0) {
      if (syncs_.WaitWithDeadline(&mutex_, deadline)) return held_syncs_ > 0;
    }
    return true;
  }

  // From here on no file below the path is made before ReleaseFiles(), and none can be linked to
  // there, as if it were on another disk.
  void HoldFilesBelow(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    holds_files_below_ = path;
  }
  void ReleaseFiles() {
    absl::MutexLock lock(&mutex_);
    holds_files_below_.clear();
    file_progress_.SignalAll();
  }
  // False if none is held within the time.
  [[nodiscard]] bool AwaitHeldFile(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    const absl::Time deadline = absl::Now() + time;
    while (!holds_a_file_) {
      if (file_progress_.WaitWithDeadline(&mutex_, deadline)) return holds_a_file_;
    }
    return true;
  }

  // Copies the directory as a loss of power would leave it: without what no sync has brought to the
  // disk. Nothing may be written meanwhile.
  void CopyWithoutPower(const std::string& from, const std::string& to) {
    std::filesystem::create_directory(to);
    absl::MutexLock lock(&mutex_);
    for (const auto& file : std::filesystem::directory_iterator(from)) {
      const auto copy = std::filesystem::path(to) / file.path().filename();
      std::filesystem::copy_file(file.path(), copy);
      const auto synced = synced_.find(file.path().string());
      if (synced == synced_.end()) continue;
      if (synced->second < std::filesystem::file_size(copy)) {
        std::filesystem::resize_file(copy, synced->second);
      }
    }
  }

  // ---- for the files ----
  static bool IsLog(std::string_view path) { return path.ends_with(".log"); }

  // What a write of so many bytes is to do: how many get there, and what it returns.
  std::pair<size_t, rocksdb::IOStatus> Write(const std::string& path, size_t bytes) {
    absl::MutexLock lock(&mutex_);
    if ((fault_ != Fault::kWriteError && fault_ != Fault::kFull) || !Concerns(path)) {
      return {bytes, rocksdb::IOStatus::OK()};
    }
    ++failures_;
    if (fault_ == Fault::kFull) return {0, rocksdb::IOStatus::NoSpace("No space left on device")};
    return {bytes / 2, rocksdb::IOStatus::IOError("Input/output error")};
  }
  // Returns when the sync may go on.
  rocksdb::IOStatus BeginSync(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    if (fault_ == Fault::kSyncError && Concerns(path)) {
      ++failures_;
      return rocksdb::IOStatus::IOError("Input/output error");
    }
    if (!IsLog(path)) return rocksdb::IOStatus::OK();
    ++held_syncs_;
    syncs_.SignalAll();
    while (holds_syncs_) syncs_.Wait(&mutex_);
    --held_syncs_;
    return rocksdb::IOStatus::OK();
  }
  void NoteSynced(const std::string& path, uint64_t bytes) {
    absl::MutexLock lock(&mutex_);
    synced_[path] = bytes;
  }
  rocksdb::IOStatus Create(const std::string& path) {
    {
      absl::MutexLock lock(&mutex_);
      while (IsHeld(path)) {
        holds_a_file_ = true;
        file_progress_.SignalAll();
        file_progress_.Wait(&mutex_);
      }
      holds_a_file_ = false;
    }
    const rocksdb::IOStatus status = Write(path, 0).second;
    if (status.ok()) NoteSynced(path, 0);
    return status;
  }
  bool MayLink(const std::string& to) {
    absl::MutexLock lock(&mutex_);
    return !IsHeld(to);
  }
  void NoteRenamed(const std::string& from, const std::string& to) {
    absl::MutexLock lock(&mutex_);
    const auto found = synced_.find(from);
    if (found == synced_.end()) return;
    synced_[to] = found->second;
    synced_.erase(found);
  }

 private:
  bool Concerns(std::string_view path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return files_ == Files::kAll || (files_ == Files::kLogs && IsLog(path)) ||
           (files_ == Files::kTables && path.ends_with(".sst"));
  }
  bool IsHeld(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !holds_files_below_.empty() && path.starts_with(holds_files_below_);
  }

  mutable absl::Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_) = Fault::kNone;
  Files files_ ABSL_GUARDED_BY(mutex_) = Files::kAll;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  bool holds_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  int held_syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::CondVar syncs_;  // one is held, or none is to be held any more
  std::string holds_files_below_ ABSL_GUARDED_BY(mutex_);
  bool holds_a_file_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar file_progress_;                                     // the same of files
  std::map<std::string, uint64_t> synced_ ABSL_GUARDED_BY(mutex_);  // bytes, by path
};

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, FaultyDisk& disk)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), disk_(disk) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    const auto [bytes, status] = disk_.Write(path_, data.size());
    const auto written = FSWritableFileOwnerWrapper::Append({data.data(), bytes}, options, context);
    if (written.ok()) size_ += bytes;
    return status.ok() ? written : status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* context) override {
    return Append(data, options, context);
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* context) override {
    return Synced([&] { return FSWritableFileOwnerWrapper::Sync(options, context); });
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* context) override {
    return Synced([&] { return FSWritableFileOwnerWrapper::Fsync(options, context); });
  }

 private:
  template <typename Sync>
  rocksdb::IOStatus Synced(Sync sync) {
    const uint64_t size = size_;
    if (auto status = disk_.BeginSync(path_); !status.ok()) return status;
    const rocksdb::IOStatus status = sync();
    if (status.ok()) disk_.NoteSynced(path_, size);
    return status;
  }

  const std::string path_;
  FaultyDisk& disk_;
  uint64_t size_ = 0;
};

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyFileSystem(FaultyDisk& disk)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}

  const char* Name() const override { return "FaultyFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    if (auto status = disk_.Create(path); !status.ok()) return status;
    const auto status = FileSystemWrapper::NewWritableFile(path, options, file, context);
    if (status.ok()) *file = std::make_unique<FaultyFile>(std::move(*file), path, disk_);
    return status;
  }
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
    if (!disk_.MayLink(to)) return rocksdb::IOStatus::NotSupported("Invalid cross-device link");
    return FileSystemWrapper::LinkFile(from, to, options, context);
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
    const auto status = FileSystemWrapper::RenameFile(from, to, options, context);
    if (status.ok()) disk_.NoteRenamed(from, to);
    return status;
  }

 private:
  FaultyDisk& disk_;
};

}  // namespace chorale
