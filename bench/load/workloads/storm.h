// Clients that connect, say HELLO, send one command and leave, one after the other on each of the
// connections.

#pragma once

#include <memory>

#include "bench/load/workload.h"

namespace chorale::bench {

std::unique_ptr<Workload> MakeStorm(const Options& options);

}  // namespace chorale::bench
