#include "storage/packed_strings.h"

namespace chorale {

void PackedStrings::Write(size_t position, size_t old_size, std::string_view text) {
  const bool is_long = text.size() >= kLongMark;
  const size_t header = is_long ? kLongHeader : 1;
  char* entry = buffer_.Splice(position, old_size, header + text.size());
  if (is_long) {
    *entry = static_cast<char>(kLongMark);
    const auto length = static_cast<uint32_t>(text.size());
    std::memcpy(entry + 1, &length, sizeof(length));
  } else {
    *entry = static_cast<char>(text.size());
  }
  if (!text.empty()) std::memcpy(entry + header, text.data(), text.size());
}

}  // namespace chorale
