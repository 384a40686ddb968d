// What the kernel tells about the server's process in /proc and by its CPU clock. Thread-safe but
// for the counter of system calls.

#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace chorale::bench {

struct ProcessFigures {
  int64_t cpu_nanoseconds = 0;  // of all threads, also those that have ended
  // Samples of what the CPU time was spent on: they tell its parts, and cpu_nanoseconds its amount.
  int64_t user_ticks = 0;
  int64_t system_ticks = 0;
  int64_t resident_bytes = 0;
  int64_t voluntary_switches = 0;
  int64_t involuntary_switches = 0;
};

// NOT_FOUND if there is no such process, or it ended meanwhile.
[[nodiscard]] absl::StatusOr<ProcessFigures> ReadProcess(pid_t pid);

// The ids of its threads; none if there is no such process.
[[nodiscard]] std::vector<pid_t> ThreadsOf(pid_t pid);

// Out of /proc/PID/stat: user_ticks and system_ticks.
[[nodiscard]] bool ParseStat(std::string_view text, ProcessFigures* figures);
// Out of /proc/PID/statm: resident_bytes.
[[nodiscard]] bool ParseStatm(std::string_view text, int64_t page_size, ProcessFigures* figures);
// Out of /proc/PID/task/TID/status: adds the switches of that thread.
[[nodiscard]] bool AddSwitches(std::string_view text, ProcessFigures* figures);

}  // namespace chorale::bench
