// The commands that redis-benchmark has, with its keys and elements.

#pragma once

#include <memory>

#include "bench/load/workload.h"

namespace chorale::bench {

std::unique_ptr<Workload> MakePlain(const Options& options);

}  // namespace chorale::bench
