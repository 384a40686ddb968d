// storage/set: of strings ("listpack", "hashtable") and of integers ("intset").

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/set.h"

namespace chorale::bench {
namespace {

void Fill(Set& set, size_t size) {
  Names names(size);
  for (size_t i = 0; i < size; ++i) set.Add(names.At(i));
}

struct Subject {
  explicit Subject(const benchmark::State& state)
      : size(static_cast<size_t>(state.range(0))), set(Filled<Set, Fill>(size)), names(size) {}
  const size_t size;
  Set& set;
  Names names;
};

void Contains(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(subject.set.Contains(subject.names.Any()));
}
BENCHMARK(Contains)->Name("set/contains")->Apply(Sizes);

void AddExisting(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(subject.set.Add(subject.names.Any()));
}
BENCHMARK(AddExisting)->Name("set/add_existing")->Apply(Sizes);

void AddAndRemove(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view name = subject.names.New();
    subject.set.Add(name);
    if (!subject.set.Remove(name)) return state.SkipWithError("not there");
  }
}
BENCHMARK(AddAndRemove)->Name("set/add_remove")->Apply(Sizes);

void PopAndAdd(benchmark::State& state) {
  Subject subject(state);
  std::string popped;
  Random random;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    subject.set.PopRandom(
        1, [&] { return random(); }, [&](std::string_view member) { popped = member; });
    subject.set.Add(popped);
  }
}
BENCHMARK(PopAndAdd)->Name("set/pop_add")->Apply(Sizes);

// ---- integers ----

std::string_view Digits(uint64_t number, char (&text)[8]) {
  for (size_t i = sizeof(text); i > 0; number /= 10)
    text[--i] = static_cast<char>('0' + number % 10);
  text[0] = '1';
  return {text, sizeof(text)};
}

void FillIntegers(Set& set, size_t size) {
  char text[8];
  for (size_t i = 0; i < size; ++i) set.Add(Digits(i * 2, text));
}

void IntegersContain(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Set set;
  FillIntegers(set, size);
  Random random;
  char text[8];
  const AllocationMeter meter(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(set.Contains(Digits(random.Below(size) * 2, text)));
  }
}
BENCHMARK(IntegersContain)->Name("intset/contains")->Arg(8)->Arg(100)->Arg(500);

void AddAndRemoveInteger(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Set set;
  FillIntegers(set, size);
  Random random;
  char text[8];
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view member = Digits(random.Below(size) * 2 + 1, text);
    set.Add(member);
    if (!set.Remove(member)) return state.SkipWithError("not there");
  }
}
BENCHMARK(AddAndRemoveInteger)->Name("intset/add_remove")->Arg(8)->Arg(100)->Arg(500);

}  // namespace
}  // namespace chorale::bench
