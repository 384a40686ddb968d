// How values of options are written: in redis.conf, on the command line and by CONFIG SET.
// Thread-safe.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config.h"

namespace chorale {

// "100", "64kb", "1gb", as in redis.conf: k, m, g are powers of 1000, kb, mb, gb of 1024.
[[nodiscard]] std::optional<int64_t> ParseMemory(std::string_view text);

// The words of one line of redis.conf, whose quoting is that of inline commands; empty for a blank
// line or a comment, nullopt when quotes do not close.
[[nodiscard]] std::optional<std::vector<std::string>> SplitConfigLine(std::string_view line);

// A value as it is written into the file: quoted unless it reads back the same without.
[[nodiscard]] std::string QuoteConfigValue(std::string_view value);

// client-output-buffer-limit: four words for each class, "normal 0 0 0 slave ...".
using OutputLimits = std::array<OutputLimit, kOutputClasses>;
[[nodiscard]] std::string FormatOutputLimits(const OutputLimits& limits);
// Returns an explanation and changes nothing when the text is bad, else an empty string. Classes
// that are not named keep their limits.
[[nodiscard]] std::string ParseOutputLimits(std::string_view text, OutputLimits& limits);

}  // namespace chorale
