#include "protocol/numbers.h"

#include <charconv>

namespace chorale {

void AppendInt64(int64_t value, std::string* out) {
  char digits[20];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  out->append(digits, result.ptr);
}

}  // namespace chorale
