// storage/locked_keys: the token, and the locks of the shards that it holds.

#include <benchmark/benchmark.h>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/locked_keys.h"
#include "storage/store.h"

namespace chorale::bench {
namespace {

// So many shards, none of which anybody else wants.
void LockShards(benchmark::State& state) {
  Store store(1);
  ShardMask shards = 0;
  for (int64_t i = 0; i < state.range(0); ++i) shards |= ShardMask{1} << i;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    LockedKeys keys(store, kNow);
    keys.Lock(shards);
    benchmark::DoNotOptimize(keys.held());
  }
}
BENCHMARK(LockShards)->Name("shard_lock/shards")->Arg(1)->Arg(2)->Arg(8)->Arg(64);

// Which shards keys are in.
void ShardOfKey(benchmark::State& state) {
  Names names(1000);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(Store::MaskOf(names.Any()));
}
BENCHMARK(ShardOfKey)->Name("shard_lock/mask_of_key");

Store g_shared_store(1);

// Several threads, each with a shard of its own, or all with the same: one hot key.
void LockAmongThreads(benchmark::State& state) {
  const bool hot = state.range(0) != 0;
  const ShardMask shards = ShardMask{1} << (hot ? 0 : state.thread_index());
  for (auto _ : state) {
    LockedKeys keys(g_shared_store, kNow);
    keys.Lock(shards);
    benchmark::DoNotOptimize(keys.held());
  }
}
BENCHMARK(LockAmongThreads)
    ->Name("shard_lock/hot")
    ->Arg(0)
    ->Arg(1)
    ->ThreadRange(1, 2)
    ->UseRealTime();

}  // namespace
}  // namespace chorale::bench
