// Reads the value of one key, in any of the encodings in which Redis writes it. Thread-safe; the
// input and the summary are the caller's.

#pragma once

#include <cstdint>
#include <string_view>

#include "storage/entry.h"
#include "storage/rdb/rdb_input.h"
#include "storage/rdb/rdb_summary.h"

namespace chorale::rdb {

// `entry` becomes null when there is nothing to keep: a type that Chorale has not, which the
// summary then names, or a value without elements. `now_ms` decides which fields of a hash have
// expired.
[[nodiscard]] bool ReadValue(Input& input, uint8_t type, std::string_view key, int64_t now_ms,
                             RdbSummary& summary, Entry::Pointer& entry);

}  // namespace chorale::rdb
