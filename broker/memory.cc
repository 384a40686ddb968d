#include "broker/memory.h"

#include <unistd.h>

#include <fstream>

#ifdef CHORALE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace chorale {

#ifdef CHORALE_JEMALLOC

uint64_t UsedMemory() {
  // jemalloc's statistics are as of the last time that the epoch was advanced.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  size_t allocated = 0;
  size = sizeof(allocated);
  mallctl("stats.allocated", &allocated, &size, nullptr, 0);
  return allocated;
}

void ReleaseFreeMemory() {
  static const std::string command = "arena." + std::to_string(MALLCTL_ARENAS_ALL) + ".purge";
  mallctl(command.c_str(), nullptr, nullptr, nullptr, 0);
}

std::string_view AllocatorName() { return "jemalloc-" JEMALLOC_VERSION; }

std::string AllocatorReport() {
  std::string report;
  malloc_stats_print(
      [](void* out, const char* text) { static_cast<std::string*>(out)->append(text); }, &report,
      "gblxe");
  return report;
}

#else

uint64_t UsedMemory() { return ResidentMemory(); }
void ReleaseFreeMemory() {}
std::string_view AllocatorName() { return "libc"; }
std::string AllocatorReport() { return "resident: " + std::to_string(ResidentMemory()) + "\n"; }

#endif

uint64_t ResidentMemory() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace chorale
