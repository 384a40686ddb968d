#include "bench/micro/allocation_sites.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ostr.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "bench/micro/allocations.h"

namespace chorale::bench {
namespace {

constexpr size_t kFrames = 24;
constexpr size_t kMostSites = 4096;
constexpr size_t kShownLines = 5;

struct Site {
  std::array<void*, kFrames> frames;
  size_t depth = 0;
  uint64_t count = 0;
};

// A fixed table, because it is written within an allocation.
absl::Mutex g_mutex;
std::array<Site, kMostSites> g_sites ABSL_GUARDED_BY(g_mutex);
size_t g_site_count ABSL_GUARDED_BY(g_mutex) = 0;
double g_operations ABSL_GUARDED_BY(g_mutex) = 0;
bool g_wanted = false;
thread_local bool t_noting = false;

// The lines of this repository that an address of the program belongs to, the innermost first: a
// call may have been inlined. Those of the benchmarks themselves end a stack.
using Lines = std::vector<std::string>;

// "/anywhere/storage/entry.cc:72 (discriminator 3)" -> "storage/entry.cc:72"; empty for files of
// others. The path in front depends on which clone the compiler's cache was filled from.
std::string LineOf(std::string_view text) {
  if (text.starts_with("/usr/")) return {};
  for (const std::string_view folder :
       {"/protocol/", "/storage/", "/broker/", "/clients/cpp/", "/bench/micro/"}) {
    const size_t at = text.rfind(folder);
    if (at != text.npos) return std::string(text.substr(at + 1, text.find(' ', at) - at - 1));
  }
  return {};
}

std::map<const void*, Lines> Symbolize(const std::vector<const void*>& addresses) {
  std::map<const void*, Lines> lines;
  Dl_info program{};
  if (::dladdr(reinterpret_cast<const void*>(&TraceAllocationSites), &program) == 0) return lines;
  std::vector<const void*> asked;
  std::string command = "addr2line -i -e /proc/self/exe -a";
  command.replace(command.find("/proc/self/exe"), 14, program.dli_fname);
  for (const void* address : addresses) {
    Dl_info info{};
    if (::dladdr(address, &info) == 0 || info.dli_fbase != program.dli_fbase) continue;
    asked.push_back(address);
    // A return address is that of the instruction behind the call.
    command += fmt::format(" {:#x}", static_cast<const char*>(address) -
                                         static_cast<const char*>(program.dli_fbase) - 1);
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  if (pipe == nullptr) return lines;
  char text[4096];
  size_t next = 0;  // in `asked`, behind the address whose lines are being read
  while (std::fgets(text, sizeof(text), pipe.get()) != nullptr) {
    const std::string_view line =
        std::string_view(text).substr(0, std::string_view(text).find('\n'));
    if (line.starts_with("0x")) {
      ++next;
    } else if (std::string found = LineOf(line); !found.empty() && next <= asked.size()) {
      lines[asked[next - 1]].push_back(std::move(found));
    }
  }
  return lines;
}

// "storage/entry.cc:72 < storage/locked_keys.cc:150 < ..."
std::string Describe(const Site& site, const std::map<const void*, Lines>& lines) {
  std::string text;
  size_t shown = 0;
  for (size_t i = 0; i < site.depth; ++i) {
    const auto found = lines.find(site.frames[i]);
    if (found == lines.end()) continue;
    for (const std::string& line : found->second) {
      if (line.starts_with("bench/micro/allocation")) continue;
      if (shown++ == kShownLines) return text;
      text += (text.empty() ? "" : " < ") + line;
      if (line.starts_with("bench/micro/")) return text;
    }
  }
  return text.empty() ? "(elsewhere)" : text;
}

}  // namespace

void TraceAllocationSites() {
  // The first call loads a library, which allocates.
  void* frame = nullptr;
  ::backtrace(&frame, 1);
  g_wanted = true;
}

void NoteAllocationSite() {
  if (std::exchange(t_noting, true)) return;
  Site site;
  site.depth = static_cast<size_t>(::backtrace(site.frames.data(), kFrames));
  {
    absl::MutexLock lock(&g_mutex);
    const auto end = g_sites.begin() + static_cast<ptrdiff_t>(g_site_count);
    const auto found = std::find_if(g_sites.begin(), end, [&](const Site& other) {
      return other.depth == site.depth &&
             std::equal(site.frames.begin(), site.frames.begin() + site.depth,
                        other.frames.begin());
    });
    if (found != g_sites.end()) {
      if (found == end) *found = site, ++g_site_count;
      ++found->count;
    }
  }
  t_noting = false;
}

void BeginSites() {
  if (!g_wanted) return;
  absl::MutexLock lock(&g_mutex);
  g_site_count = 0;
  g_tracing_sites = true;
}

void EndSites(double operations) {
  g_tracing_sites = false;
  absl::MutexLock lock(&g_mutex);
  g_operations = operations;
}

void PrintAllocationSites(std::ostream& out) {
  if (!g_wanted) return;
  absl::MutexLock lock(&g_mutex);
  std::vector<const void*> addresses;
  for (size_t i = 0; i < g_site_count; ++i) {
    const Site& site = g_sites[i];
    addresses.insert(addresses.end(), site.frames.begin(), site.frames.begin() + site.depth);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  const auto lines = Symbolize(addresses);
  std::map<std::string, uint64_t> counts;
  for (size_t i = 0; i < g_site_count; ++i) counts[Describe(g_sites[i], lines)] += g_sites[i].count;
  std::vector<std::pair<std::string, uint64_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [where, count] : rows) {
    const double per_operation = static_cast<double>(count) / g_operations;
    if (per_operation >= 0.005) fmt::print(out, "  {:8.2f}  {}\n", per_operation, where);
  }
}

}  // namespace chorale::bench
