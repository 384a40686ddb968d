#include "storage/glob.h"

#include <cstddef>

#include "absl/strings/ascii.h"

namespace chorale {
namespace {

char Fold(char c, bool ignore_case) {
  return ignore_case ? absl::ascii_tolower(static_cast<unsigned char>(c)) : c;
}

// Matches one byte against the set that begins at pattern[*position] == '['; leaves *position
// behind the set. An unclosed set ends with the pattern, as in Redis.
bool MatchSet(std::string_view pattern, size_t* position, char c, bool ignore_case) {
  size_t p = *position + 1;
  const bool negated = p < pattern.size() && pattern[p] == '^';
  if (negated) ++p;
  bool matched = false;
  for (; p < pattern.size() && pattern[p] != ']'; ++p) {
    if (pattern[p] == '\\' && p + 1 < pattern.size()) {
      ++p;
      matched |= pattern[p] == c;
    } else if (p + 2 < pattern.size() && pattern[p + 1] == '-') {
      auto low = static_cast<unsigned char>(Fold(pattern[p], ignore_case));
      auto high = static_cast<unsigned char>(Fold(pattern[p + 2], ignore_case));
      if (low > high) std::swap(low, high);
      const auto byte = static_cast<unsigned char>(c);
      matched |= low <= byte && byte <= high;
      p += 2;
    } else {
      matched |= Fold(pattern[p], ignore_case) == c;
    }
  }
  *position = p < pattern.size() ? p + 1 : p;
  return matched != negated;
}

// Backtracks to the last star only: an earlier star never needs to take more once a later one was
// reached, so the time stays bounded by the product of the lengths.
bool Matches(std::string_view pattern, std::string_view text, bool ignore_case) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (true) {
    bool step = false;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    if (t == text.size()) {
      if (p == pattern.size()) return true;
    } else if (p < pattern.size()) {
      const char c = Fold(text[t], ignore_case);
      size_t next = p + 1;
      switch (pattern[p]) {
        case '?':
          step = true;
          break;
        case '[':
          next = p;
          step = MatchSet(pattern, &next, c, ignore_case);
          break;
        case '\\':
          if (p + 1 < pattern.size()) next = p + 2;
          step = Fold(pattern[next - 1], ignore_case) == c;
          break;
        default:
          step = Fold(pattern[p], ignore_case) == c;
      }
      if (step) {
        p = next;
        ++t;
        continue;
      }
    }
    if (star == std::string_view::npos || star_text == text.size()) return false;
    p = star + 1;
    t = ++star_text;
  }
}

}  // namespace

bool GlobMatches(std::string_view pattern, std::string_view text) {
  return Matches(pattern, text, false);
}

bool GlobMatchesIgnoringCase(std::string_view pattern, std::string_view text) {
  return Matches(pattern, text, true);
}

}  // namespace chorale
