// The core layer of channels_redis: its commands in their order, each after the reply to the one
// before, on one connection for each process.

#pragma once

#include <memory>

#include "bench/load/workload.h"

namespace chorale::bench {

std::unique_ptr<Workload> MakeCoreSendReceive(const Options& options);
std::unique_ptr<Workload> MakeCoreGroupAdd(const Options& options);
std::unique_ptr<Workload> MakeCoreGroupSend(const Options& options);

}  // namespace chorale::bench
