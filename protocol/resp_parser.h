// Reads commands of the Redis protocol out of a byte stream: arrays of bulk strings and inline
// commands (https://redis.io/docs/latest/develop/reference/protocol-spec/).
//
// The parser owns no bytes. The caller keeps the stream from the first byte of the command being
// read, and hands all of it to Parse(); arguments come back as views into it. A command that is
// not complete yet is continued where the parser stopped, so that bytes are looked at once however
// they are cut into packets. Not thread-safe: one parser belongs to one connection.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorale {

struct ParserLimits {
  int64_t max_bulk_length = int64_t{512} << 20;  // proto-max-bulk-len, bytes
  int64_t max_arguments = 1 << 20;               // arguments of one command
  int64_t max_inline_length = 64 << 10;          // bytes of an inline command or a header line
  bool authenticated = true;  // false: Redis's tighter limits (10 arguments of 16 KiB) apply
};

class RespParser {
 public:
  enum class Result {
    kCommand,   // arguments() and command_size() are valid
    kNeedMore,  // call again with more bytes; bytes_wanted() says how many at least
    kError,     // error() is valid; the stream cannot be followed any further
  };

  // `data` begins at the first byte of the command being read and may have grown or moved since
  // the last call. After kCommand the caller drops command_size() bytes before the next call.
  [[nodiscard]] Result Parse(std::string_view data, const ParserLimits& limits);

  // The command's words, the name first; empty for an empty line or `*0`, which get no reply.
  // Valid until the next Parse() and as long as `data` is.
  std::span<const std::string_view> arguments() const { return arguments_; }
  size_t command_size() const { return command_size_; }

  // After kNeedMore: the least total size of `data` with which Parse() can get further. With a
  // large bulk string it is the size that holds the whole of it, so that the caller can reserve it
  // at once and no byte is copied on the way. After kCommand: 1, so that nothing stays reserved.
  size_t bytes_wanted() const { return bytes_wanted_; }

  // True between commands: nothing of the next one was read.
  bool idle() const { return phase_ == Phase::kStart; }

  // Text for the client without the leading "-ERR ", in Redis's words, such as
  // "Protocol error: invalid multibulk length". It may quote a byte of the stream, so a CR in it
  // is the reply writer's to replace.
  std::string_view error() const { return error_; }

  // Gives back memory that a large command made the parser take; call it between commands.
  void Shrink();

 private:
  enum class Phase : uint8_t {
    kStart,       // before the first byte of a command
    kInline,      // in a line that did not begin with '*'
    kCountLine,   // in "*<arguments>\r\n"
    kLengthLine,  // in "$<bytes>\r\n"
    kBody,        // in a bulk string of body_length_ bytes and the two bytes that end it
    kFailed,
  };

  // Where an argument lies in the stream, as long as the stream may still move.
  struct Span {
    size_t offset;
    size_t length;
  };

  Result ParseInline(std::string_view data, const ParserLimits& limits);
  bool SplitInline(std::string_view line);
  Result ParseMultibulk(std::string_view data, const ParserLimits& limits);
  // Both read a header line whose first byte is at position_ and leave position_ after it.
  Result ReadCountLine(std::string_view data, const ParserLimits& limits, int64_t* count);
  Result ReadLengthLine(std::string_view data, const ParserLimits& limits);
  Result ReadLine(std::string_view data, int64_t limit, const char* too_long,
                  std::string_view* line);
  bool TryReadShortHeader(std::string_view data, char type, int64_t limit, int64_t* value);
  Result FinishMultibulk(std::string_view data);
  Result NeedMore(size_t wanted);
  Result Fail(std::string_view text);

  Phase phase_ = Phase::kStart;
  size_t position_ = 0;         // the first byte that is not read yet
  size_t scanned_ = 0;          // no line end lies between position_ and here
  int64_t arguments_left_ = 0;  // arguments not yet complete, in an array
  size_t body_length_ = 0;
  std::vector<Span> spans_;  // the complete arguments of an array
  std::vector<std::string_view> arguments_;
  std::string unquoted_;  // what arguments of an inline command with quotes point into
  size_t command_size_ = 0;
  size_t bytes_wanted_ = 1;
  std::string error_;
};

}  // namespace chorale
