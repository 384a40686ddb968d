// The bytes of an RDB file, read in order through a buffer of fixed size, and what they are made
// of: lengths, numbers, and strings in each of their forms. Counts the offset and sums the bytes.
//
// No length is believed: memory grows with the bytes that have really come, so that a damaged or
// hostile file costs an error and no more. The first error ends the reading: every function returns
// whether it succeeded, and when it did not, status() says why and at which offset. Owned and used
// by one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "boost/crc.hpp"

namespace chorale::rdb {

// Fills the room from its start and returns how many bytes it wrote: 0 only at the end.
using ByteSource = std::function<absl::StatusOr<size_t>(std::span<char> room)>;

class Input {
 public:
  // Longer strings are an error. It is what Redis takes from a client by default.
  static constexpr uint64_t kMaxString = uint64_t{512} << 20;

  explicit Input(ByteSource source);
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  [[nodiscard]] bool ReadByte(uint8_t& value);
  [[nodiscard]] bool ReadBytes(uint64_t size, std::string& bytes);
  [[nodiscard]] bool Skip(uint64_t size);

  // Little-endian numbers.
  [[nodiscard]] bool ReadInt32(int32_t& value);
  [[nodiscard]] bool ReadInt64(int64_t& value);
  [[nodiscard]] bool ReadDouble(double& value);
  // A number as text behind its size, or one byte for what has no digits.
  [[nodiscard]] bool ReadTextDouble(double& value);

  [[nodiscard]] bool ReadLength(uint64_t& length);
  [[nodiscard]] bool SkipLengths(int count);
  [[nodiscard]] bool ReadString(std::string& text);
  [[nodiscard]] bool SkipString();

  // Compares the sum of all bytes so far with the one that follows; 0 stands for none.
  [[nodiscard]] bool VerifyChecksum();
  // Succeeds when no byte follows.
  [[nodiscard]] bool ExpectEnd();

  // Records an error, unless there is one already, and returns false.
  bool Fail(const std::string& what);
  bool Fail(absl::Status status);
  const absl::Status& status() const { return status_; }
  uint64_t offset() const { return buffer_offset_ + next_; }

 private:
  // A length, or the number of a special form of a string.
  struct Prefix {
    uint64_t value;
    bool is_form;
  };
  [[nodiscard]] bool ReadPrefix(Prefix& prefix);
  [[nodiscard]] bool ReadInteger(size_t size, bool big_endian, uint64_t& value);
  [[nodiscard]] bool ReadCompressed(std::string& text);

  size_t buffered() const { return end_ - next_; }
  // Reads on when nothing is buffered; false at the end of the file as well.
  bool Refill();
  // The same, when there have to be more bytes.
  [[nodiscard]] bool Want();
  void SumUp();

  const ByteSource source_;
  std::vector<char> buffer_;
  size_t next_ = 0;
  size_t end_ = 0;
  size_t summed_ = 0;           // Up to where the buffer's bytes are in the sum.
  uint64_t buffer_offset_ = 0;  // Where in the file the buffer begins.
  boost::crc_optimal<64, 0xad93d23594c935a9, 0, 0, true, true> sum_;
  absl::Status status_;
};

}  // namespace chorale::rdb
