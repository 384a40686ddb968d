#include "bench/micro/allocations.h"

#include <jemalloc/jemalloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <new>

#include "bench/micro/allocation_sites.h"

namespace chorale::bench {
namespace {

// One thread's counts. Written by that thread only, so that an addition is a load and a store; made
// once for each thread and kept when it ends.
struct ThreadCounts {
  std::atomic<uint64_t> count = 0, bytes = 0, frees = 0;
  ThreadCounts* next = nullptr;
};
constinit std::atomic<ThreadCounts*> g_threads = nullptr;
constinit thread_local ThreadCounts* t_counts = nullptr;

void Increase(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

ThreadCounts& Counts() {
  if (t_counts == nullptr) [[unlikely]] {
    t_counts = new (mallocx(sizeof(ThreadCounts), 0)) ThreadCounts;
    t_counts->next = g_threads.load();
    while (!g_threads.compare_exchange_weak(t_counts->next, t_counts)) continue;
  }
  return *t_counts;
}

// `flags` are jemalloc's.
void* Allocate(size_t size, int flags) {
  ThreadCounts& counts = Counts();
  Increase(counts.count, 1);
  Increase(counts.bytes, size);
  if (g_tracing_sites.load(std::memory_order_relaxed)) [[unlikely]]
    NoteAllocationSite();
  return mallocx(std::max<size_t>(size, 1), flags);
}

void* AllocateOrThrow(size_t size, int flags) {
  void* memory = Allocate(size, flags);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void Free(void* memory) {
  if (memory == nullptr) return;
  Increase(Counts().frees, 1);
  dallocx(memory, 0);
}

void FreeSized(void* memory, size_t size, int flags) {
  if (memory == nullptr) return;
  Increase(Counts().frees, 1);
  sdallocx(memory, std::max<size_t>(size, 1), flags);
}

void* Reallocate(void* memory, size_t size) {
  if (memory == nullptr) return Allocate(size, 0);
  ThreadCounts& counts = Counts();
  Increase(counts.count, 1);
  Increase(counts.bytes, size);
  Increase(counts.frees, 1);
  return rallocx(memory, std::max<size_t>(size, 1), 0);
}

int Aligned(std::align_val_t alignment) { return MALLOCX_ALIGN(static_cast<size_t>(alignment)); }

double PerOperation(uint64_t total, double operations) {
  return operations == 0 ? 0 : std::round(static_cast<double>(total) / operations * 100) / 100;
}

}  // namespace

Allocations AllocationsSoFar() {
  Allocations sum;
  for (const ThreadCounts* counts = g_threads; counts != nullptr; counts = counts->next) {
    sum.count += counts->count.load(std::memory_order_relaxed);
    sum.bytes += counts->bytes.load(std::memory_order_relaxed);
    sum.frees += counts->frees.load(std::memory_order_relaxed);
  }
  return sum;
}

AllocationMeter::AllocationMeter(benchmark::State& state, int64_t operations)
    : state_(state), operations_(operations), before_(AllocationsSoFar()) {
  BeginSites();
}

AllocationMeter::~AllocationMeter() {
  const Allocations now = AllocationsSoFar();
  const auto operations = static_cast<double>(state_.iterations() * operations_);
  EndSites(operations);
  state_.counters["allocs"] = PerOperation(now.count - before_.count, operations);
  state_.counters["bytes"] = PerOperation(now.bytes - before_.bytes, operations);
  state_.counters["frees"] = PerOperation(now.frees - before_.frees, operations);
  state_.SetItemsProcessed(state_.iterations() * operations_);
}

}  // namespace chorale::bench

// ---- the allocator's functions, for the whole program ----

using chorale::bench::Aligned;
using chorale::bench::Allocate;
using chorale::bench::AllocateOrThrow;
using chorale::bench::Free;
using chorale::bench::FreeSized;
using chorale::bench::Reallocate;

extern "C" {

void* malloc(size_t size) noexcept { return Allocate(size, 0); }
void* calloc(size_t count, size_t size) noexcept {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  return Allocate(bytes, MALLOCX_ZERO);
}
void* realloc(void* memory, size_t size) noexcept { return Reallocate(memory, size); }
void* aligned_alloc(size_t alignment, size_t size) noexcept {
  return Allocate(size, MALLOCX_ALIGN(alignment));
}
int posix_memalign(void** memory, size_t alignment, size_t size) noexcept {
  *memory = Allocate(size, MALLOCX_ALIGN(alignment));
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) noexcept { Free(memory); }

}  // extern "C"

void* operator new(size_t size) { return AllocateOrThrow(size, 0); }
void* operator new[](size_t size) { return AllocateOrThrow(size, 0); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size, 0); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return Allocate(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, Aligned(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, Aligned(alignment));
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, Aligned(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, Aligned(alignment));
}

void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { Free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { Free(memory); }
void operator delete(void* memory, size_t size) noexcept { FreeSized(memory, size, 0); }
void operator delete[](void* memory, size_t size) noexcept { FreeSized(memory, size, 0); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  Free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  Free(memory);
}
void operator delete(void* memory, size_t size, std::align_val_t alignment) noexcept {
  FreeSized(memory, size, Aligned(alignment));
}
void operator delete[](void* memory, size_t size, std::align_val_t alignment) noexcept {
  FreeSized(memory, size, Aligned(alignment));
}
