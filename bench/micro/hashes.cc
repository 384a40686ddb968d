// storage/hash.

#include <benchmark/benchmark.h>

#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/hash.h"

namespace chorale::bench {
namespace {

constexpr std::string_view kValue = "some value";
constexpr std::string_view kSameSize = "some other";
constexpr std::string_view kLonger = "a value that is longer";

void Fill(Hash& hash, size_t size) {
  Names names(size);
  for (size_t i = 0; i < size; ++i) hash.Set(names.At(i), kValue);
}

struct Subject {
  explicit Subject(const benchmark::State& state)
      : size(static_cast<size_t>(state.range(0))), hash(Filled<Hash, Fill>(size)), names(size) {}
  const size_t size;
  Hash& hash;
  Names names;
};

void Get(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(subject.hash.Get(subject.names.Any()));
}
BENCHMARK(Get)->Name("hash/get")->Apply(Sizes);

void GetAbsent(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(subject.hash.Get(subject.names.New()));
}
BENCHMARK(GetAbsent)->Name("hash/get_absent")->Apply(Sizes);

void SetExisting(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) subject.hash.Set(subject.names.Any(), kSameSize);
}
BENCHMARK(SetExisting)->Name("hash/set_same_size")->Apply(Sizes);

void SetLonger(benchmark::State& state) {
  Subject subject(state);
  bool longer = false;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    longer = !longer;
    subject.hash.Set(subject.names.Any(), longer ? kLonger : kValue);
  }
}
BENCHMARK(SetLonger)->Name("hash/set_other_size")->Apply(Sizes);

void AddAndRemove(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view name = subject.names.New();
    subject.hash.Set(name, kValue);
    if (!subject.hash.Remove(name)) return state.SkipWithError("not there");
  }
}
BENCHMARK(AddAndRemove)->Name("hash/add_remove")->Apply(Sizes);

// One HSCAN with its default COUNT; the packed encoding is visited whole.
void Scan(benchmark::State& state) {
  Subject subject(state);
  uint64_t cursor = 0;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    cursor = subject.hash.Scan(cursor, 10, [](std::string_view field, std::string_view value) {
      benchmark::DoNotOptimize(field.data());
      benchmark::DoNotOptimize(value.data());
    });
  }
}
BENCHMARK(Scan)->Name("hash/scan_10")->Apply(Sizes);

}  // namespace
}  // namespace chorale::bench
