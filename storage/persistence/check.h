// Verifies a data directory: every row can be read and means something.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/persistence/data_directory.h"

namespace chorale {

struct DirectorySummary {
  uint32_t version = 0;
  bool clean = false;
  // By database, keys by the name of their type.
  std::vector<std::map<std::string, uint64_t>> keys;
  uint64_t expired = 0;   // of the keys; they will not be read
  uint64_t elements = 0;  // rows of large values
  uint64_t layers = 0, channels = 0, mailboxes = 0, messages = 0, memberships = 0;
  uint64_t bytes = 0;  // of rows
};

// The directory may be open for reading only. Fails with one line for the operator.
[[nodiscard]] absl::StatusOr<DirectorySummary> CheckRows(DataDirectory& directory, int64_t now_ms);

}  // namespace chorale
