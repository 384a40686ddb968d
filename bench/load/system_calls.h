// Counts the system calls of a process by the kernel's tracepoint for them. That needs tracefs
// (mount -t tracefs nodev /sys/kernel/tracing) and the right to use it; without, there is no count.
// One thread's.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace chorale::bench {

class SystemCalls {
 public:
  // Of the threads that the process has now.
  explicit SystemCalls(pid_t pid);
  ~SystemCalls();
  SystemCalls(const SystemCalls&) = delete;
  SystemCalls& operator=(const SystemCalls&) = delete;

  // Since the beginning.
  std::optional<int64_t> Count() const;

 private:
  std::vector<int> counters_;
};

}  // namespace chorale::bench
