// The layers' part of reading a data directory at the start (recovery.h).

#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "storage/layers/layer.h"
#include "storage/persistence/data_directory.h"
#include "storage/persistence/recovery.h"
#include "storage/store.h"

namespace chorale {

// Restores layers, channels and mailboxes, and counts them. `exact`: nothing of them is missing, so
// that owners of mailboxes can resume. `on_row` is called with each row's bytes.
[[nodiscard]] absl::Status RestoreLayers(DataDirectory& directory, Store& store,
                                         LayerRegistry& layers, int64_t now_ms, bool exact,
                                         absl::FunctionRef<bool(size_t bytes)> on_row,
                                         Recovered& recovered);

}  // namespace chorale
