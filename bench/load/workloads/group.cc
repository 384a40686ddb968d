#include "bench/load/workloads/group.h"

#include "bench/load/workloads/channels_redis.h"

namespace chorale::bench {

absl::Status GroupWorkload::Prepare(Bench& bench) {
  group_ = "bench." + channels_redis::Hex(random_);
  absl::Status status = AddReceivers(bench);
  if (status.ok()) status = PrepareGroup(bench);
  if (status.ok()) status = AddSenders(bench);
  return status;
}

absl::Status GroupWorkload::AddReceivers(Bench& bench) {
  for (uint32_t i = 0; i < ReceiversOf(bench.options()); ++i) {
    receivers_.push_back(MakeReceiver(bench.options(), bench.loop(i)));
    Receiver& receiver = *receivers_.back();
    absl::Status status = receiver.connection.Open(bench.endpoint());
    if (status.ok()) status = receiver.connection.Execute({"HELLO", "3"});
    if (status.ok()) status = receiver.Join(group_);
    if (status.ok()) status = bench.loop(i).Add(receiver.connection);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status GroupWorkload::AddSenders(Bench& bench) {
  const Options& options = bench.options();
  const bool slides = options.rate > 0 || OneAtATime();
  const FanOut::Pace pace = slides ? FanOut::Pace::kSliding : FanOut::Pace::kBatches;
  for (uint32_t i = 0; i < SendersOf(options); ++i) {
    senders_.push_back(std::make_unique<FanOut>(bench.loop(i), i, options.pipeline, pace,
                                                static_cast<int>(receivers_.size())));
    const size_t depth = OneAtATime() ? 1 : options.pipeline;
    Driver& driver = bench.AddDriver(i, MakeSender(options, *senders_.back()), depth);
    absl::Status status = driver.connection.Open(bench.endpoint());
    if (status.ok()) status = driver.connection.Execute({"HELLO", "3"});
    if (status.ok()) status = bench.loop(i).Add(driver.connection);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace chorale::bench
