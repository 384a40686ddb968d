#include "storage/int_set.h"

#include <charconv>
#include <cstring>
#include <limits>

namespace chorale {
namespace {

template <typename Integer>
int64_t Load(const char* place) {
  Integer value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

template <typename Integer>
void StoreAs(char* place, int64_t value) {
  const auto narrow = static_cast<Integer>(value);
  std::memcpy(place, &narrow, sizeof(narrow));
}

template <typename Integer>
bool Fits(int64_t value) {
  return value >= std::numeric_limits<Integer>::min() &&
         value <= std::numeric_limits<Integer>::max();
}

size_t WidthOf(int64_t value) {
  if (Fits<int16_t>(value)) return 2;
  return Fits<int32_t>(value) ? 4 : 8;
}

}  // namespace

std::optional<int64_t> ParseCanonicalInteger(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  const std::string_view digits = text[0] == '-' ? text.substr(1) : text;
  if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return std::nullopt;
  int64_t value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int64_t IntSet::At(size_t index) const {
  const char* place = buffer_.data() + index * width_;
  if (width_ == 2) return Load<int16_t>(place);
  return width_ == 4 ? Load<int32_t>(place) : Load<int64_t>(place);
}

void IntSet::Store(char* place, int64_t value) const {
  if (width_ == 2) return StoreAs<int16_t>(place, value);
  if (width_ == 4) return StoreAs<int32_t>(place, value);
  StoreAs<int64_t>(place, value);
}

size_t IntSet::LowerBound(int64_t value) const {
  size_t low = 0;
  size_t high = size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (At(middle) < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool IntSet::Contains(int64_t value) const {
  const size_t index = LowerBound(value);
  return index < size() && At(index) == value;
}

void IntSet::Widen(size_t width) {
  IntSet wide;
  wide.width_ = width;
  char* place = wide.buffer_.Splice(0, 0, size() * width);
  for (size_t i = 0; i < size(); ++i) wide.Store(place + i * width, At(i));
  *this = std::move(wide);
}

bool IntSet::Insert(int64_t value) {
  if (WidthOf(value) > width_) Widen(WidthOf(value));
  const size_t index = LowerBound(value);
  if (index < size() && At(index) == value) return false;
  Store(buffer_.Splice(index * width_, 0, width_), value);
  return true;
}

bool IntSet::Erase(int64_t value) {
  const size_t index = LowerBound(value);
  if (index == size() || At(index) != value) return false;
  buffer_.Splice(index * width_, width_, 0);
  return true;
}

}  // namespace chorale
