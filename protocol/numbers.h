// Numbers as Redis reads them from arguments and writes them into replies. Thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace chorale {

// A whole signed 64-bit decimal number in its canonical form: no leading zero, plus sign or space.
[[nodiscard]] std::optional<int64_t> ParseInt64(std::string_view text);
[[nodiscard]] std::optional<uint64_t> ParseUint64(std::string_view text);

// A floating-point number as Redis accepts it for scores and increments: decimal, hexadecimal or
// exponent form, "inf", "+inf", "-inf" in any case; no surrounding space, no NaN, not empty.
[[nodiscard]] std::optional<double> ParseDouble(std::string_view text);

// long double, for INCRBYFLOAT and HINCRBYFLOAT.
[[nodiscard]] std::optional<long double> ParseLongDouble(std::string_view text);

// The shortest text that reads back as the same double, in the form of Redis 7.2 and later:
// "3", "0.1", "1e+21", "inf", "-inf", "nan".
[[nodiscard]] std::string FormatDouble(double value);

// The same without an allocation; the view is into `buffer`.
constexpr size_t kDoubleTextSize = 32;
[[nodiscard]] std::string_view FormatDouble(double value, std::span<char, kDoubleTextSize> buffer);

// Up to 17 digits after the point, no exponent, no trailing zeros: the form of INCRBYFLOAT.
[[nodiscard]] std::string FormatLongDouble(long double value);

// Appends the decimal digits of `value` to `out`.
void AppendInt64(int64_t value, std::string* out);

}  // namespace chorale
