// What a benchmark allocates: how often, how many bytes, and from where.
//
// allocations.cc defines malloc, operator new and their kin for the whole program, in front of
// jemalloc, which does the work. jemalloc's own counters of a thread (thread.allocatedp) know bytes
// only, and counting operator new alone misses what Asio takes with aligned_alloc and a read buffer
// with malloc. Counted are all threads together, so that a request to a broker in this process can
// be followed through its threads; freed memory is counted by the call, since its size would have
// to be looked up each time.

#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <iosfwd>

namespace chorale::bench {

// Of all threads since the start. Bytes as asked for, before the allocator rounds them up.
struct Allocations {
  uint64_t count = 0;
  uint64_t bytes = 0;
  uint64_t frees = 0;
};
[[nodiscard]] Allocations AllocationsSoFar();

// Stands in front of a benchmark's loop; when it goes it adds the counters `allocs`, `bytes` and
// `frees`, each for one operation, to the figures, rounded to hundredths. What is allocated once,
// as a buffer that grows in the first iteration, comes to nothing in the average.
class AllocationMeter {
 public:
  // An iteration of the loop is so many operations.
  explicit AllocationMeter(benchmark::State& state, int64_t operations = 1);
  AllocationMeter(const AllocationMeter&) = delete;
  AllocationMeter& operator=(const AllocationMeter&) = delete;
  ~AllocationMeter();

 private:
  benchmark::State& state_;
  const int64_t operations_;
  const Allocations before_;
};

// From here on every meter notes where memory was allocated, which takes much time.
void TraceAllocationSites();
// Of the meter that was there last: how many allocations of an operation come from where, as the
// lines of this repository that lead there, the innermost first.
void PrintAllocationSites(std::ostream& out);

}  // namespace chorale::bench
