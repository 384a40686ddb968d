#include "bench/load/server_process.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <dirent.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "bench/load/clock.h"
#include "protocol/numbers.h"

namespace chorale::bench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Word `index` of a text whose words are parted by blanks, as a number.
std::optional<int64_t> NumberAt(std::string_view text, int index) {
  constexpr std::string_view kBlanks = " \t\n";
  size_t at = text.find_first_not_of(kBlanks);
  for (; index > 0 && at != text.npos; --index) {
    at = text.find_first_not_of(kBlanks, text.find_first_of(kBlanks, at));
  }
  if (at == text.npos) return std::nullopt;
  return ParseInt64(text.substr(at, text.find_first_of(kBlanks, at) - at));
}

bool AddLine(std::string_view text, std::string_view name, int64_t* sum) {
  const size_t at = text.find(name);
  if (at == text.npos) return false;
  const std::optional<int64_t> number = NumberAt(text.substr(at + name.size()), 0);
  if (number) *sum += *number;
  return number.has_value();
}

}  // namespace

bool ParseStat(std::string_view text, ProcessFigures* figures) {
  // The name of the program stands in parentheses and may have any characters in it.
  const size_t end = text.rfind(')');
  if (end == text.npos) return false;
  const std::string_view fields = text.substr(end + 1);
  const std::optional<int64_t> user = NumberAt(fields, 11);
  const std::optional<int64_t> system = NumberAt(fields, 12);
  if (!user || !system) return false;
  figures->user_ticks = *user;
  figures->system_ticks = *system;
  return true;
}

bool ParseStatm(std::string_view text, int64_t page_size, ProcessFigures* figures) {
  const std::optional<int64_t> pages = NumberAt(text, 1);
  if (pages) figures->resident_bytes = *pages * page_size;
  return pages.has_value();
}

bool AddSwitches(std::string_view text, ProcessFigures* figures) {
  return AddLine(text, "\nvoluntary_ctxt_switches:", &figures->voluntary_switches) &&
         AddLine(text, "\nnonvoluntary_ctxt_switches:", &figures->involuntary_switches);
}

std::vector<pid_t> ThreadsOf(pid_t pid) {
  std::vector<pid_t> threads;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(
      opendir(absl::StrCat("/proc/", pid, "/task").c_str()), closedir);
  if (directory == nullptr) return threads;
  while (const dirent* const entry = readdir(directory.get())) {
    if (const std::optional<int64_t> number = ParseInt64(entry->d_name)) {
      threads.push_back(static_cast<pid_t>(*number));
    }
  }
  return threads;
}

absl::StatusOr<ProcessFigures> ReadProcess(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  ProcessFigures figures;
  clockid_t clock = 0;
  if (clock_getcpuclockid(pid, &clock) != 0 || !ParseStat(ReadFile(folder + "/stat"), &figures) ||
      !ParseStatm(ReadFile(folder + "/statm"), sysconf(_SC_PAGESIZE), &figures)) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  }
  figures.cpu_nanoseconds = ReadClock(clock);
  for (const pid_t thread : ThreadsOf(pid)) {
    // A thread that has ended meanwhile is left out.
    (void)AddSwitches(ReadFile(absl::StrCat(folder, "/task/", thread, "/status")), &figures);
  }
  return figures;
}

}  // namespace chorale::bench
