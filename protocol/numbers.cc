#include "protocol/numbers.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace chorale {
namespace {

// Redis refuses longer numbers for INCRBYFLOAT; it bounds the copy that strtold needs.
constexpr size_t kMaxLongDoubleText = 5 * 1024;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// The digits of a canonical number without its sign: at least one, and no leading zero but in "0".
std::optional<uint64_t> ParseMagnitude(std::string_view digits) {
  if (digits.empty() || !IsDigit(digits[0])) return std::nullopt;
  if (digits[0] == '0' && digits.size() > 1) return std::nullopt;
  uint64_t value = 0;
  // 19 digits cannot overflow 64 bits, so the usual number needs no check per digit.
  const size_t safe = std::min<size_t>(digits.size(), 19);
  for (size_t i = 0; i < safe; ++i) {
    if (!IsDigit(digits[i])) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(digits[i] - '0');
  }
  if (digits.size() == safe) return value;
  if (digits.size() > 20 || !IsDigit(digits[19])) return std::nullopt;
  const uint64_t last = static_cast<uint64_t>(digits[19] - '0');
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  if (value > kMax / 10 || (value == kMax / 10 && last > kMax % 10)) return std::nullopt;
  return value * 10 + last;
}

double ParseWithLibrary(const char* text, char** end, double /*type*/) {
  return std::strtod(text, end);
}
long double ParseWithLibrary(const char* text, char** end, long double /*type*/) {
  return std::strtold(text, end);
}

// Everything that strtod takes but for a leading space, NaN, and what the type cannot hold.
template <typename Real>
std::optional<Real> ParseReal(std::string_view text) {
  if (text.empty() || IsSpace(text[0])) return std::nullopt;
  const std::string terminated(text);
  char* end = nullptr;
  errno = 0;
  const Real value = ParseWithLibrary(terminated.c_str(), &end, Real{});
  if (static_cast<size_t>(end - terminated.c_str()) != text.size()) return std::nullopt;
  if (std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == Real{0})) return std::nullopt;
  return value;
}

// The shortest digits that read back as a number, which is 0.d1d2d3... times 10^(scale + count) or,
// in other words, the integer of the digits times 10^scale.
struct Decimal {
  char digits[20];
  int count;
  int scale;
};

Decimal ToDecimal(double positive) {
  char text[kDoubleTextSize];
  const auto result =
      std::to_chars(text, text + sizeof(text), positive, std::chars_format::scientific);
  Decimal decimal{};
  const char* p = text;
  for (; *p != 'e'; ++p) {
    if (*p != '.') decimal.digits[decimal.count++] = *p;
  }
  ++p;
  if (*p == '+') ++p;
  int exponent = 0;
  std::from_chars(p, result.ptr, exponent);
  decimal.scale = exponent - decimal.count + 1;
  return decimal;
}

char* Append(char* out, const char* bytes, int count) {
  std::memcpy(out, bytes, static_cast<size_t>(count));
  return out + count;
}

char* AppendZeros(char* out, int count) {
  std::memset(out, '0', static_cast<size_t>(count));
  return out + count;
}

// Lays the digits out as Redis 7.2 does: up to seven zeros after the digits, then up to seven
// places after the point (more while the number is near 1), and an exponent beyond that.
char* AppendDecimal(char* out, const Decimal& d) {
  const int exponent = d.scale + d.count - 1;
  if (d.scale >= 0 && d.scale < 8) {
    return AppendZeros(Append(out, d.digits, d.count), d.scale);
  }
  if (d.scale < 0 && (d.scale > -7 || std::abs(exponent) < 4)) {
    const int whole = d.count + d.scale;
    if (whole <= 0) {
      out = AppendZeros(Append(out, "0.", 2), -whole);
      return Append(out, d.digits, d.count);
    }
    out = Append(out, d.digits, whole);
    *out++ = '.';
    return Append(out, d.digits + whole, d.count - whole);
  }
  *out++ = d.digits[0];
  if (d.count > 1) {
    *out++ = '.';
    out = Append(out, d.digits + 1, d.count - 1);
  }
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  return std::to_chars(out, out + 4, std::abs(exponent)).ptr;
}

}  // namespace

std::optional<int64_t> ParseInt64(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  const std::optional<uint64_t> magnitude = ParseMagnitude(text);
  if (!magnitude) return std::nullopt;
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (!negative) {
    if (*magnitude > kMax) return std::nullopt;
    return static_cast<int64_t>(*magnitude);
  }
  if (*magnitude == 0 || *magnitude > kMax + 1) return std::nullopt;
  return static_cast<int64_t>(0 - *magnitude);
}

std::optional<uint64_t> ParseUint64(std::string_view text) { return ParseMagnitude(text); }

std::optional<double> ParseDouble(std::string_view text) {
  // Ranges are asked for with these two more often than with any number.
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "+inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  // Zero may be an underflow, which only strtod tells apart.
  if (result.ec == std::errc() && result.ptr == end && std::isfinite(value) && value != 0) {
    return value;
  }
  return ParseReal<double>(text);
}

std::optional<long double> ParseLongDouble(std::string_view text) {
  if (text.size() >= kMaxLongDoubleText) return std::nullopt;
  return ParseReal<long double>(text);
}

std::string_view FormatDouble(double value, std::span<char, kDoubleTextSize> buffer) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  char* out = buffer.data();
  // The bound of Redis, beyond which it no longer writes whole numbers out.
  constexpr double kMaxWhole = static_cast<double>(std::numeric_limits<int64_t>::max() / 2);
  if (std::abs(value) <= kMaxWhole && value == std::trunc(value)) {
    out = std::to_chars(out, out + buffer.size(), static_cast<int64_t>(value)).ptr;
  } else {
    if (value < 0) *out++ = '-';
    out = AppendDecimal(out, ToDecimal(std::abs(value)));
  }
  return {buffer.data(), out};
}

std::string FormatDouble(double value) {
  char buffer[kDoubleTextSize];
  return std::string(FormatDouble(value, buffer));
}

std::string FormatLongDouble(long double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char text[kMaxLongDoubleText];
  const int length = std::snprintf(text, sizeof(text), "%.17Lf", value);
  std::string_view trimmed(text, static_cast<size_t>(length));
  trimmed.remove_suffix(trimmed.size() - 1 - trimmed.find_last_not_of('0'));
  if (trimmed.back() == '.') trimmed.remove_suffix(1);
  return std::string(trimmed == "-0" ? "0" : trimmed);
}

void AppendInt64(int64_t value, std::string* out) {
  char digits[20];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  out->append(digits, static_cast<size_t>(result.ptr - digits));
}

}  // namespace chorale
