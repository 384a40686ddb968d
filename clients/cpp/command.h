// Commands as they go over the wire: arrays of bulk strings. Thread-safe.

#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace chorale::client {

// One word of a command: a view of a text, which must outlive it, or an integer.
class Word {
 public:
  Word(std::string_view text) : text_(text) {}    // NOLINT(google-explicit-constructor)
  Word(const char* text) : text_(text) {}         // NOLINT(google-explicit-constructor)
  Word(const std::string& text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  template <std::integral Integer>
  Word(Integer value)  // NOLINT(google-explicit-constructor)
      : digits_size_(static_cast<uint8_t>(
            std::to_chars(digits_, digits_ + sizeof(digits_), value).ptr - digits_)) {}

  std::string_view text() const {
    return digits_size_ == 0 ? text_ : std::string_view(digits_, digits_size_);
  }

 private:
  std::string_view text_;
  char digits_[20];
  uint8_t digits_size_ = 0;
};

// Appends the command to `out`.
void AppendCommand(std::span<const Word> words, std::string* out);

// At least as many bytes as AppendCommand appends.
[[nodiscard]] size_t CommandSizeBound(std::span<const Word> words);

}  // namespace chorale::client
