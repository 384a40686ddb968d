// What the server's memory grows by: for idle connections, small strings, members of sorted sets.
// Each is done once, on a server that had nothing to do before.

#pragma once

#include <memory>

#include "bench/load/workload.h"

namespace chorale::bench {

std::unique_ptr<Workload> MakeIdle(const Options& options);
std::unique_ptr<Workload> MakeMemoryString(const Options& options);
std::unique_ptr<Workload> MakeMemorySortedSet(const Options& options);

}  // namespace chorale::bench
