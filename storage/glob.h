// Redis's glob patterns, as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET take them:
// ? one byte, * any bytes, [abc] [^abc] [a-z] one byte of a set, \x the byte x.
// https://redis.io/docs/latest/commands/keys/

#pragma once

#include <string_view>

namespace chorale {

// Thread-safe; takes time at most proportional to the product of the two lengths.
[[nodiscard]] bool GlobMatches(std::string_view pattern, std::string_view text);
[[nodiscard]] bool GlobMatchesIgnoringCase(std::string_view pattern, std::string_view text);

}  // namespace chorale
