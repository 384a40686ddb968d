// Reads a dump of Redis 5 to 8, dump.rdb, one key at a time. What is in memory is the value at
// hand, never the file.
//
// Every encoding of the five types that Chorale has is read. Streams, values of modules and
// libraries of functions are passed over and counted, as are the expiries of single hash fields:
// the fields are kept. Keys that have expired are left out. A file that is damaged, that ends too
// early or whose checksum is wrong is an error that names the offset, and so is anything unknown.
//
// Thread-safe; the sink is called on the caller's thread.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/entry.h"
#include "storage/rdb/rdb_input.h"
#include "storage/rdb/rdb_summary.h"

namespace chorale {

// Takes a key of the database with that number. `expiry_ms` is a Unix time, or Database::kNever. An
// error ends the reading and is what it returns. The reader does not notice a key that is there
// twice; the sink may.
using RdbSink = std::function<absl::Status(int database, Entry::Pointer entry, int64_t expiry_ms)>;

// The server has `databases` databases; `now_ms` is the Unix time in milliseconds. When it fails,
// the sink has taken the keys before the error.
[[nodiscard]] absl::StatusOr<RdbSummary> ReadRdb(const std::string& path, int databases,
                                                 int64_t now_ms, const RdbSink& sink);
[[nodiscard]] absl::StatusOr<RdbSummary> ReadRdb(rdb::ByteSource source, int databases,
                                                 int64_t now_ms, const RdbSink& sink);

}  // namespace chorale
