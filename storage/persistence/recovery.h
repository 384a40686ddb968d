// Reads a data directory into the store and the layers, before anybody uses them.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/layers/layer.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/journal.h"
#include "storage/store.h"

namespace chorale {

struct RecoveryProgress {
  uint64_t rows = 0;
  uint64_t bytes = 0;       // of rows
  uint64_t total_rows = 0;  // an estimate
};

struct Recovered {
  // For Journal::Start.
  std::vector<uint32_t> spaces;
  uint32_t next_space = 0;
  uint64_t next_number = 1;

  uint64_t keys = 0;
  uint64_t expired = 0;  // keys that were left out
  // Large values without a key; their parts are dropped.
  uint64_t orphans = 0;
  uint64_t bytes = 0;
  uint64_t layers = 0, channels = 0, messages = 0, mailboxes = 0;
  bool clean = true;  // the broker that wrote it had stopped
};

// With `threads` threads. `show` is called about once a second, on the caller's thread. What is to
// be erased, because it has expired or has no key, is noted in the journal, if there is one. Fails
// with one line for the operator.
[[nodiscard]] absl::StatusOr<Recovered> Recover(
    DataDirectory& directory, Store& store, LayerRegistry& layers, Journal* journal, int threads,
    int64_t now_ms, const std::function<void(const RecoveryProgress&)>& show);

}  // namespace chorale
