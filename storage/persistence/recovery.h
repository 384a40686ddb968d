// Reads a data directory into the store and the layers, before anybody uses them.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/layers/layer.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/journal.h"
#include "storage/store.h"

namespace chorale {

struct RecoveryProgress {
  uint64_t keys = 0;
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

struct RecoveryOptions {
  int threads = 1;
  int64_t now_ms = 0;
  // Called about so often, on the caller's thread.
  absl::Duration show_every = absl::Seconds(1);
  std::function<void(const RecoveryProgress&)> show = [](const RecoveryProgress&) {};
  // Whether to give up, which is done soon, with a cancelled status. Called on any thread.
  std::function<bool()> stopping = [] { return false; };
};

// What is to be erased, because it has expired or has no key, is noted in the journal, if there is
// one. Fails with one line for the operator.
[[nodiscard]] absl::StatusOr<Recovered> Recover(DataDirectory& directory, Store& store,
                                                LayerRegistry& layers, Journal* journal,
                                                const RecoveryOptions& options);

}  // namespace chorale
