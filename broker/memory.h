// How much memory the process uses. Thread-safe. The allocator is jemalloc, whose figures cover all
// threads; builds with a sanitizer keep that one's own allocator and know the resident size only.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chorale {

// Bytes that the allocator has handed out and not got back.
[[nodiscard]] uint64_t UsedMemory();
// Bytes of the process in memory, from /proc/self/statm.
[[nodiscard]] uint64_t ResidentMemory();
// Gives pages that hold nothing back to the system.
void ReleaseFreeMemory();
// As in INFO's mem_allocator.
[[nodiscard]] std::string_view AllocatorName();
// The allocator's own report, for people.
[[nodiscard]] std::string AllocatorReport();

}  // namespace chorale
