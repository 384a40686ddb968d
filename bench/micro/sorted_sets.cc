// storage/sorted_set.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string_view>

#include "bench/micro/allocations.h"
#include "bench/micro/workload.h"
#include "storage/sorted_set.h"

namespace chorale::bench {
namespace {

double ScoreOf(Random& random, size_t size) { return static_cast<double>(random.Below(size * 4)); }

void Fill(SortedSet& set, size_t size) {
  Names names(size);
  Random random;
  for (size_t i = 0; i < size; ++i) set.Add(names.At(i), ScoreOf(random, size));
}

struct Subject {
  explicit Subject(const benchmark::State& state)
      : size(static_cast<size_t>(state.range(0))),
        set(Filled<SortedSet, Fill>(size)),
        names(size) {}
  double AnyScore() { return ScoreOf(random, size); }
  const size_t size;
  SortedSet& set;
  Names names;
  Random random;
};

void Ignore(std::string_view member, double score) {
  benchmark::DoNotOptimize(member.data());
  benchmark::DoNotOptimize(score);
}

void Score(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(subject.set.Score(subject.names.Any()));
}
BENCHMARK(Score)->Name("sorted_set/score")->Apply(Sizes);

// Another score for a member that is there.
void Update(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(subject.set.Add(subject.names.Any(), subject.AnyScore()));
  }
}
BENCHMARK(Update)->Name("sorted_set/update")->Apply(Sizes);

void AddAndRemove(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const std::string_view name = subject.names.New();
    subject.set.Add(name, subject.AnyScore());
    if (!subject.set.Remove(name)) return state.SkipWithError("not there");
  }
}
BENCHMARK(AddAndRemove)->Name("sorted_set/add_remove")->Apply(Sizes);

// As a queue of channels_redis: in at the high end, out at the low one.
void AddAndPopMin(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  SortedSet set;
  Names names(10'000'000);
  for (size_t i = 0; i < size; ++i) set.Add(names.At(i), static_cast<double>(i));
  size_t next = size;
  const AllocationMeter meter(state);
  for (auto _ : state) {
    set.Add(names.At(next), static_cast<double>(next));
    ++next;
    set.PopMin(1, Ignore);
  }
}
BENCHMARK(AddAndPopMin)->Name("sorted_set/add_pop_min")->Apply(Sizes);

void Rank(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) benchmark::DoNotOptimize(subject.set.Rank(subject.names.Any()));
}
BENCHMARK(Rank)->Name("sorted_set/rank")->Apply(Sizes);

void RangeByRank(benchmark::State& state) {
  Subject subject(state);
  const size_t count = std::min<size_t>(10, subject.size);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const size_t begin = subject.random.Below(subject.size - count + 1);
    subject.set.ForEach({begin, begin + count}, false, Ignore);
  }
}
BENCHMARK(RangeByRank)->Name("sorted_set/range_of_10")->Apply(Sizes);

void RangeByScore(benchmark::State& state) {
  Subject subject(state);
  const AllocationMeter meter(state);
  for (auto _ : state) {
    const double min = subject.AnyScore();
    benchmark::DoNotOptimize(subject.set.Ranks(ScoreRange{min, min + 40}));
  }
}
BENCHMARK(RangeByScore)->Name("sorted_set/count_by_score")->Apply(Sizes);

}  // namespace
}  // namespace chorale::bench
