#include "broker/offline_tools.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "broker/clock.h"
#include "broker/persistence.h"
#include "storage/locked_keys.h"
#include "storage/persistence/check.h"
#include "storage/persistence/data_directory.h"
#include "storage/rdb/rdb_reader.h"

namespace chorale {
namespace {

void PrintSummary(const std::string& path, const DirectorySummary& summary) {
  fmt::print("{}: format {}, {}\n", path, summary.version,
             summary.clean ? "complete" : "its broker was not stopped in order");
  for (size_t db = 0; db < summary.keys.size(); ++db) {
    if (summary.keys[db].empty()) continue;
    fmt::print("  database {}:", db);
    for (const auto& [type, count] : summary.keys[db]) fmt::print(" {} {}", count, type);
    fmt::print("\n");
  }
  fmt::print("  elements of large values: {}\n  expired keys: {}\n", summary.elements,
             summary.expired);
  fmt::print("  layers: {}  channels: {}  mailboxes: {}  messages: {}  memberships: {}\n",
             summary.layers, summary.channels, summary.mailboxes, summary.messages,
             summary.memberships);
  fmt::print("  bytes: {}\n", summary.bytes);
}

absl::Status CheckAndPrint(DataDirectory& directory) {
  const auto summary = CheckRows(directory, UnixMillis());
  if (!summary.ok()) return summary.status();
  PrintSummary(directory.path(), *summary);
  return absl::OkStatus();
}

// A directory that is not there, or has nothing in it.
absl::Status CheckEmpty(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  const bool empty = std::filesystem::is_empty(path, error);
  if (error) return absl::FailedPreconditionError(fmt::format("{}: {}", path, error.message()));
  if (empty) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is not empty: a dump is imported into a new data directory", path));
}

// `*opened`: the directory is this process's now.
absl::StatusOr<RdbSummary> Import(const std::string& file, Config& config, bool* opened) {
  Store store(static_cast<int>(config.databases.load()));
  LayerRegistry layers([] { return size_t{0}; });
  Persistence persistence;
  Persistence::Options options;
  options.on_progress = [] {};
  options.importing = true;
  if (const auto status = persistence.Open(config, store, layers, options); !status.ok()) {
    return status;
  }
  *opened = true;
  Journal& journal = *persistence.journal();
  auto summary = ReadRdb(
      file, store.database_count(), UnixMillis(),
      [&](int db, Entry::Pointer entry, int64_t expiry_ms) -> absl::Status {
        if (journal.failed()) return absl::UnavailableError(journal.failure());
        const std::string key(entry->key());
        {
          LockedKeys keys(store, UnixMillis());
          keys.Lock(Store::MaskOf(key));
          if (keys.Exists(db, key)) {
            return absl::DataLossError(fmt::format("a key is there twice in database {}", db));
          }
          Entry* const added = keys.Put(db, std::move(entry));
          if (expiry_ms != Database::kNever) keys.SetExpiry(db, added, expiry_ms);
        }
        while (journal.full()) absl::SleepFor(absl::Milliseconds(1));
        return absl::OkStatus();
      });
  if (!summary.ok()) return summary;
  if (const auto status = persistence.Close(); !status.ok()) return status;
  return summary;
}

}  // namespace

absl::Status CheckDirectory(const std::string& path) {
  auto directory = DataDirectory::Open(path, DataDirectory::Mode::kReadOnly);
  if (!directory.ok()) return directory.status();
  return CheckAndPrint(**directory);
}

absl::Status RepairDirectory(const std::string& path) {
  auto opened = DataDirectory::Open(path, DataDirectory::Mode::kRepair);
  if (!opened.ok()) return opened.status();
  DataDirectory& directory = **opened;
  // Also if nothing was dropped: it may have been by a repair that did not come this far.
  if (const auto status = directory.MarkIncomplete(); !status.ok()) return status;
  if (const auto status = CheckAndPrint(directory); !status.ok()) return status;
  fmt::print("  {}\n", directory.dropped() ? "what lay in the log behind the damage is gone"
                                           : "no damage in the log: nothing was dropped");
  return directory.Settle();
}

absl::Status ImportDump(const std::string& file, Config& config) {
  const std::string path = config.dir.get();
  if (const auto status = CheckEmpty(path); !status.ok()) return status;
  std::error_code error;
  const bool existed = std::filesystem::exists(path, error);
  config.persistent = true;
  bool opened = false;
  const auto summary = Import(file, config, &opened);
  if (summary.ok()) {
    fmt::print("{}", FormatRdbSummary(*summary));
    return absl::OkStatus();
  }
  if (opened) {
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }
  if (!existed) std::filesystem::remove(path, error);
  return summary.status();
}

}  // namespace chorale
