// PUBLISH to subscribers: bare, and with the names and messages of channels_redis's pub/sub layer.

#pragma once

#include <memory>

#include "bench/load/workload.h"

namespace chorale::bench {

std::unique_ptr<Workload> MakePublish(const Options& options);
std::unique_ptr<Workload> MakePubSubGroupSend(const Options& options);
std::unique_ptr<Workload> MakePubSubSendReceive(const Options& options);

}  // namespace chorale::bench
