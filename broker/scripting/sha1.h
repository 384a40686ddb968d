// SHA-1 of scripts, as EVALSHA names them. Thread-safe.

#pragma once

#include <array>
#include <string>
#include <string_view>

namespace chorale {

using Sha1Text = std::array<char, 40>;  // lower-case hexadecimal digits, no end mark

[[nodiscard]] Sha1Text Sha1(std::string_view bytes);
[[nodiscard]] std::string Sha1Hex(std::string_view bytes);

}  // namespace chorale
