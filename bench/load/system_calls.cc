#include "bench/load/system_calls.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "bench/load/server_process.h"

namespace chorale::bench {

SystemCalls::SystemCalls(pid_t pid) {
  uint64_t tracepoint = 0;
  std::ifstream file("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id");
  if (!(file >> tracepoint)) return;
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = tracepoint;
  for (const pid_t thread : ThreadsOf(pid)) {
    const auto counter = static_cast<int>(
        syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC));
    if (counter >= 0) counters_.push_back(counter);
  }
}

SystemCalls::~SystemCalls() {
  for (const int counter : counters_) close(counter);
}

std::optional<int64_t> SystemCalls::Count() const {
  if (counters_.empty()) return std::nullopt;
  int64_t sum = 0;
  for (const int counter : counters_) {
    int64_t count = 0;
    if (read(counter, &count, sizeof(count)) != sizeof(count)) return std::nullopt;
    sum += count;
  }
  return sum;
}

}  // namespace chorale::bench
