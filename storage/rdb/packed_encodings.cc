#include "storage/rdb/packed_encodings.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace chorale::rdb {
namespace {

constexpr uint8_t kEnd = 0xff;
constexpr uint64_t kUnknownCount = 0xffff;

// Takes bytes from the front. A number that is not there is 0 and makes the walk fail.
class Walk {
 public:
  explicit Walk(std::string_view bytes) : rest_(bytes) {}

  std::string_view Take(uint64_t size) {
    if (size > rest_.size()) {
      sound_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  uint8_t Byte() {
    const std::string_view taken = Take(1);
    return taken.empty() ? uint8_t{0} : static_cast<uint8_t>(taken[0]);
  }
  uint64_t Little(size_t size) {
    const std::string_view taken = Take(size);
    uint64_t value = 0;
    for (size_t i = taken.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(taken[i]);
    return value;
  }
  uint64_t Big(size_t size) {
    uint64_t value = 0;
    for (const char byte : Take(size)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }
  int64_t LittleSigned(size_t size) { return SignExtended(Little(size), 8 * size); }

  static int64_t SignExtended(uint64_t value, size_t bits) {
    const size_t unused = 64 - bits;
    return static_cast<int64_t>(value << unused) >> unused;
  }

  bool sound() const { return sound_; }
  bool done() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }
  // The end mark, with nothing behind it.
  bool AtEndMark() const { return rest_.size() == 1 && static_cast<uint8_t>(rest_[0]) == kEnd; }

 private:
  std::string_view rest_;
  bool sound_ = true;
};

bool VisitInteger(int64_t value, ElementVisitor visit) {
  char text[24];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return visit({text, static_cast<size_t>(result.ptr - text)});
}

// One element: an integer, or the bytes.
struct Element {
  std::optional<int64_t> integer;
  std::string_view text;
};

bool Visit(const Element& element, ElementVisitor visit) {
  return element.integer ? VisitInteger(*element.integer, visit) : visit(element.text);
}

// What follows the length of the previous entry.
std::optional<Element> ZiplistElement(Walk& walk) {
  const uint8_t head = walk.Byte();
  switch (head >> 6) {
    case 0:
      return Element{{}, walk.Take(head)};
    case 1: {
      const uint64_t high = head & 0x3f;
      return Element{{}, walk.Take(high << 8 | walk.Byte())};
    }
    case 2:
      if (head != 0x80) return std::nullopt;
      return Element{{}, walk.Take(walk.Big(4))};
  }
  switch (head) {
    case 0xc0:
      return Element{walk.LittleSigned(2), {}};
    case 0xd0:
      return Element{walk.LittleSigned(4), {}};
    case 0xe0:
      return Element{walk.LittleSigned(8), {}};
    case 0xf0:
      return Element{walk.LittleSigned(3), {}};
    case 0xfe:
      return Element{walk.LittleSigned(1), {}};
  }
  if (head < 0xf1 || head > 0xfd) return std::nullopt;
  return Element{(head & 0x0f) - 1, {}};
}

std::optional<Element> ListpackElement(Walk& walk) {
  const uint8_t head = walk.Byte();
  if (head < 0x80) return Element{head, {}};
  if (head < 0xc0) return Element{{}, walk.Take(head & 0x3f)};
  if (head < 0xe0) {
    const uint64_t high = head & 0x1f;
    return Element{Walk::SignExtended(high << 8 | walk.Byte(), 13), {}};
  }
  if (head < 0xf0) {
    const uint64_t high = head & 0x0f;
    return Element{{}, walk.Take(high << 8 | walk.Byte())};
  }
  switch (head) {
    case 0xf0:
      return Element{{}, walk.Take(walk.Little(4))};
    case 0xf1:
      return Element{walk.LittleSigned(2), {}};
    case 0xf2:
      return Element{walk.LittleSigned(3), {}};
    case 0xf3:
      return Element{walk.LittleSigned(4), {}};
    case 0xf4:
      return Element{walk.LittleSigned(8), {}};
  }
  return std::nullopt;
}

// Behind each entry of a listpack stands its size, for the way back: seven bits a byte, the highest
// first, and a mark on every byte but that one.
bool TakeBackLength(Walk& walk, uint64_t size) {
  int bytes = 1;
  while (bytes < 5 && size >> (7 * bytes) != 0) ++bytes;
  uint64_t written = 0;
  for (int i = 0; i < bytes; ++i) {
    const uint8_t byte = walk.Byte();
    if ((byte >= 0x80) != (i > 0)) return false;
    written = written << 7 | (byte & 0x7f);
  }
  return written == size;
}

// A string of a zipmap. Before a value a byte counts the unused bytes behind it.
std::optional<std::string_view> ZipmapString(Walk& walk, bool is_value) {
  constexpr uint8_t kLong = 254;
  uint64_t size = walk.Byte();
  if (size > kLong) return std::nullopt;
  if (size == kLong) size = walk.Little(4);
  const uint64_t unused = is_value ? walk.Byte() : 0;
  const std::string_view text = walk.Take(size);
  walk.Take(unused);
  if (!walk.sound()) return std::nullopt;
  return text;
}

}  // namespace

bool VisitZiplist(std::string_view bytes, ElementVisitor visit) {
  constexpr uint64_t kLongPrevious = 254;
  Walk walk(bytes);
  const uint64_t size = walk.Little(4);
  walk.Take(4);  // Where the last entry begins.
  const uint64_t expected = walk.Little(2);
  if (!walk.sound() || size != bytes.size()) return false;

  uint64_t count = 0;
  uint64_t previous_size = 0;
  while (!walk.AtEndMark()) {
    const size_t left = walk.left();
    uint64_t previous = walk.Byte();
    if (previous == kLongPrevious) previous = walk.Little(4);
    const std::optional<Element> element = ZiplistElement(walk);
    if (!element || !walk.sound() || previous != previous_size) return false;
    if (!Visit(*element, visit)) return false;
    previous_size = left - walk.left();
    ++count;
  }
  return expected == kUnknownCount || expected == count;
}

bool VisitListpack(std::string_view bytes, ElementVisitor visit) {
  Walk walk(bytes);
  const uint64_t size = walk.Little(4);
  const uint64_t expected = walk.Little(2);
  if (!walk.sound() || size != bytes.size()) return false;

  uint64_t count = 0;
  while (!walk.AtEndMark()) {
    const size_t left = walk.left();
    const std::optional<Element> element = ListpackElement(walk);
    if (!element || !TakeBackLength(walk, left - walk.left()) || !walk.sound()) return false;
    if (!Visit(*element, visit)) return false;
    ++count;
  }
  return expected == kUnknownCount || expected == count;
}

bool VisitZipmap(std::string_view bytes, ElementVisitor visit) {
  constexpr uint8_t kUncounted = 254;
  Walk walk(bytes);
  const uint8_t expected = walk.Byte();
  uint64_t count = 0;
  while (!walk.AtEndMark()) {
    const std::optional<std::string_view> field = ZipmapString(walk, false);
    if (!field || !visit(*field)) return false;
    const std::optional<std::string_view> value = ZipmapString(walk, true);
    if (!value || !visit(*value)) return false;
    ++count;
  }
  return expected >= kUncounted || expected == count;
}

bool VisitIntset(std::string_view bytes, ElementVisitor visit) {
  Walk walk(bytes);
  const uint64_t width = walk.Little(4);
  const uint64_t count = walk.Little(4);
  if (width != 2 && width != 4 && width != 8) return false;
  if (walk.left() != width * count) return false;
  while (!walk.done()) {
    if (!VisitInteger(walk.LittleSigned(width), visit)) return false;
  }
  return true;
}

}  // namespace chorale::rdb
