// What chorale-server does with a data directory instead of serving clients.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "broker/config.h"

namespace chorale {

// --check DIR: verifies the directory, which no broker uses, without changing it, and prints what
// is in it. A failure's message is one line for the operator.
[[nodiscard]] absl::Status CheckDirectory(const std::string& path);

// --repair DIR: drops what lies behind damage in the log of the directory, which no broker uses,
// and prints what is left. Owners of mailboxes cannot resume after it.
[[nodiscard]] absl::Status RepairDirectory(const std::string& path);

// --import FILE --dir DIR: reads a dump of Redis into a directory that has no data yet, and prints
// what it read and what it skipped. On failure the directory is left as it was; one whose import
// was killed is refused by everything that opens it.
[[nodiscard]] absl::Status ImportDump(const std::string& file, Config& config);

}  // namespace chorale
