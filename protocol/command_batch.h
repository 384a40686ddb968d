// Reads several whole commands at once out of a pipelined stream, for a caller who gains from
// knowing what comes next. It takes arrays of short bulk strings that are complete in the buffer
// and leaves everything else, errors included, to RespParser. One thread's.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace chorale {

class CommandBatch {
 public:
  static constexpr size_t kMostCommands = 16;
  static constexpr size_t kMostWords = 64;
  // Longer arguments are RespParser's, whose limits are never below this.
  static constexpr size_t kLongestWord = 4096;

  // Reads commands from the beginning of `data` until one is not of that kind or the batch is full.
  // The words are views into `data`.
  void Read(std::string_view data);

  size_t size() const { return count_; }
  std::span<const std::string_view> arguments(size_t i) const {
    return {words_.data() + commands_[i].first_word, commands_[i].words};
  }
  // Bytes of the command in the stream.
  size_t bytes(size_t i) const { return commands_[i].bytes; }

 private:
  struct Command {
    uint32_t first_word;
    uint32_t words;
    size_t bytes;
  };

  size_t count_ = 0;
  std::array<Command, kMostCommands> commands_;
  std::array<std::string_view, kMostWords> words_;
};

}  // namespace chorale
