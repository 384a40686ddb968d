// Chorale's own layer, by its commands.

#pragma once

#include <memory>

#include "bench/load/workload.h"

namespace chorale::bench {

std::unique_ptr<Workload> MakeNativeSendReceive(const Options& options);
std::unique_ptr<Workload> MakeNativeGeneralSendReceive(const Options& options);
std::unique_ptr<Workload> MakeNativeGroupAdd(const Options& options);
std::unique_ptr<Workload> MakeNativeGroupSend(const Options& options);

}  // namespace chorale::bench
