// The bytes of a command, made once, whose twelve-digit numbers are written over for each
// operation. Constant after construction.

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/command.h"

namespace chorale::bench {

class CommandTemplate {
 public:
  // In a word, this stands for a number.
  static constexpr std::string_view kNumber = "000000000000";

  explicit CommandTemplate(const std::vector<client::Word>& words) {
    client::AppendCommand(words, &bytes_);
    for (size_t at = bytes_.find(kNumber); at != bytes_.npos; at = bytes_.find(kNumber, at + 1)) {
      numbers_.push_back(at);
    }
  }

  // Appends the command with a number of `next()` in each place.
  template <typename Next>
  void Append(Next next, std::string* out) const {
    const size_t begin = out->size();
    out->append(bytes_);
    for (const size_t at : numbers_) WriteOverZeros(next(), out->data() + begin + at);
  }

  // Twelve digits, with zeros in front.
  static void Write(uint32_t number, char* digits) {
    for (size_t i = kNumber.size(); i > 0; number /= 10) {
      digits[--i] = static_cast<char>('0' + number % 10);
    }
  }
  // Over the number at the end of a text.
  static void Overwrite(uint32_t number, std::string* text) {
    Write(number, text->data() + text->size() - kNumber.size());
  }

 private:
  static void WriteOverZeros(uint32_t number, char* digits) {
    for (size_t i = kNumber.size(); number > 0; number /= 10) {
      digits[--i] = static_cast<char>('0' + number % 10);
    }
  }

  std::string bytes_;
  std::vector<size_t> numbers_;
};

}  // namespace chorale::bench
