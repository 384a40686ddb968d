#include "protocol/command_batch.h"

namespace chorale {
namespace {

// Reads a header such as "$12\r\n" and moves `*p` past it. The byte after CR is not looked at, as
// in RespParser. False if it is anything but a type byte and a plain number up to `most`.
bool ReadHeader(const char** p, const char* end, char type, size_t most, size_t* number) {
  const char* c = *p;
  if (end - c < 4 || *c != type) return false;
  auto digit = static_cast<unsigned char>(*++c - '0');
  if (digit > 9) return false;
  size_t value = digit;
  const bool zero = digit == 0;
  for (++c; c != end; ++c) {
    digit = static_cast<unsigned char>(*c - '0');
    if (digit > 9) break;
    value = value * 10 + digit;
    if (zero || value > most) return false;
  }
  if (value > most || end - c < 2 || *c != '\r') return false;
  *p = c + 2;
  *number = value;
  return true;
}

}  // namespace

void CommandBatch::Read(std::string_view data) {
  count_ = 0;
  size_t words = 0;
  const char* p = data.data();
  const char* const end = p + data.size();
  while (count_ < kMostCommands) {
    const char* const begin = p;
    size_t wanted = 0;
    if (!ReadHeader(&p, end, '*', kMostWords - words, &wanted) || wanted == 0) return;
    for (size_t i = 0; i < wanted; ++i) {
      size_t length = 0;
      if (!ReadHeader(&p, end, '$', kLongestWord, &length)) return;
      if (static_cast<size_t>(end - p) < length + 2) return;
      words_[words + i] = std::string_view(p, length);
      p += length + 2;
    }
    commands_[count_++] = {static_cast<uint32_t>(words), static_cast<uint32_t>(wanted),
                           static_cast<size_t>(p - begin)};
    words += wanted;
  }
}

}  // namespace chorale
