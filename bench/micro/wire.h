// Requests as they cross the wire.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chorale::bench {

using Words = std::vector<std::string>;

// One command, as an array of bulk strings.
[[nodiscard]] inline std::string Encoded(const Words& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return text;
}

}  // namespace chorale::bench
