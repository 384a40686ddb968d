// storage/list.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/list.h"

namespace chorale::bench {
namespace {

void Fill(List& list, size_t size) {
  Names names(size);
  for (size_t i = 0; i < size; ++i) list.PushBack(names.At(i));
}

struct Subject {
  explicit Subject(const benchmark::State& state)
      : size(static_cast<size_t>(state.range(0))), list(Filled<List, Fill>(size)), names(size) {}
  const size_t size;
  List& list;
  Names names;
  Random random;
};

// As a queue: at one end in, at the other out.
void PushAndPopOther(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    subject.list.PushBack(subject.names.Any());
    subject.list.PopFront();
  }
}
BENCHMARK(PushAndPopOther)->Name("list/push_back_pop_front")->Apply(Sizes);

void PushAndPopSame(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    subject.list.PushFront(subject.names.Any());
    subject.list.PopFront();
  }
}
BENCHMARK(PushAndPopSame)->Name("list/push_front_pop_front")->Apply(Sizes);

void Index(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(subject.list.At(subject.random.Below(subject.size)));
  }
}
BENCHMARK(Index)->Name("list/index")->Apply(Sizes);

void SetAt(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    subject.list.Set(subject.random.Below(subject.size), subject.names.Any());
  }
}
BENCHMARK(SetAt)->Name("list/set")->Apply(Sizes);

void Range(benchmark::State& state) {
  Subject subject(state);
  const size_t count = std::min<size_t>(10, subject.size);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const size_t begin = subject.random.Below(subject.size - count + 1);
    subject.list.ForEach(begin, begin + count, [](std::string_view element) {
      benchmark::DoNotOptimize(element.data());
    });
  }
}
BENCHMARK(Range)->Name("list/range_of_10")->Apply(Sizes);

// Behind an element in the middle, which has to be looked for. A list of its own, since the others
// hold names more than once.
void InsertAndRemove(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  List list;
  Fill(list, size);
  Names names(size), added(size);
  const std::string_view pivot = names.At(size / 2);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view element = added.New();
    if (!list.InsertAfter(pivot, element) || list.Remove(1, element) != 1) {
      return state.SkipWithError("the pivot is gone");
    }
  }
}
BENCHMARK(InsertAndRemove)->Name("list/insert_remove")->Apply(Sizes);

}  // namespace
}  // namespace chorale::bench
