// The operating system's limit on open files, which is what limits the number of clients.
// Thread-safe.

#pragma once

#include <cstdint>

namespace chorale {

// Raises the limit so that `clients` sockets and what the process itself opens fit in it. Returns
// how many clients fit in the end: `clients`, or fewer.
[[nodiscard]] int64_t RaiseDescriptorLimit(int64_t clients);

}  // namespace chorale
