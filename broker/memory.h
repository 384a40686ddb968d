// How much memory the process uses. Thread-safe.

#pragma once

#include <cstdint>

namespace chorale {

// Bytes that the allocator has handed out.
[[nodiscard]] uint64_t UsedMemory();
// Bytes that are resident, from /proc/self/statm.
[[nodiscard]] uint64_t ResidentMemory();

}  // namespace chorale
