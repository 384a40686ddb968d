// Reads replies and pushes of RESP2 and RESP3 out of a byte stream
// (https://redis.io/docs/latest/develop/reference/protocol-spec/).
//
// The parser owns no bytes and copies none: the caller keeps the stream from the first byte of the
// reply being read and hands all of it to Parse(); texts of the value are views into it. A reply
// that is not complete yet is continued where the parser stopped, so that bytes are looked at once
// however they are cut into packets. Attributes are read and left out. Streamed types (`$?`), which
// no server sends, are refused. Not thread-safe: one parser belongs to one connection.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "clients/cpp/value.h"

namespace chorale::client {

// What a reply may take; a larger one is an error, after which the connection is of no use.
struct ReplyLimits {
  size_t max_bytes = size_t{1} << 30;    // of a whole reply on the wire
  size_t max_values = size_t{16} << 20;  // of a whole reply, nested ones and attributes included
  size_t max_depth = 32;                 // aggregates within one another
  size_t max_line_bytes = size_t{64} << 10;  // of a simple string, an error or a number
};

class ReplyParser {
 public:
  enum class Result : uint8_t {
    kReply,     // value() and reply_size() are valid
    kNeedMore,  // call again with more bytes; bytes_wanted() says how many at least
    kError,     // error() is valid; the stream cannot be followed any further
  };

  explicit ReplyParser(const ReplyLimits& limits = {}) : limits_(limits) {}

  // `data` begins at the first byte of the reply being read and may have grown or moved since the
  // last call. After kReply the caller drops reply_size() bytes before the next call.
  [[nodiscard]] Result Parse(std::string_view data);

  // Valid until the next Parse() and as long as `data` is.
  Value value() const { return {nodes_.data(), data_}; }
  size_t reply_size() const { return position_; }

  // After kNeedMore: the least total size of `data` with which Parse() can get further. With a
  // large bulk string it is the size that holds the whole of it, so that the caller can reserve it
  // at once.
  size_t bytes_wanted() const { return bytes_wanted_; }

  std::string_view error() const { return error_; }

  // Forgets a reply that was begun, or an error: the next byte is the first of a new stream. Gives
  // back memory that a large reply made the parser take.
  void Reset();

 private:
  enum class Phase : uint8_t {
    kStart,   // before the first byte of a reply
    kHeader,  // in the line that begins a value
    kBody,    // in a text of body_length_ bytes and the CR LF after it
    kFailed,
  };
  enum class Step : uint8_t { kValue, kContinue, kNeedMore, kError };

  // An aggregate whose elements are being read.
  struct Open {
    size_t node;
    size_t elements_left;
    bool attribute;
  };

  void Begin();
  Step ReadHeader(std::string_view data);
  bool TryReadShortHeader(std::string_view data, char* type, uint64_t* number);
  Step ReadLine(std::string_view data, std::string_view* line);
  size_t LineLimit() const;
  Step BeginCounted(char type, uint64_t number);
  Step ReadScalar(char type, std::string_view content, size_t content_offset);
  Step ReadText(Type type, std::string_view content, size_t content_offset);
  Step ReadInteger(std::string_view content);
  Step ReadDouble(std::string_view content);
  Step BeginBody(Type type, uint64_t length);
  Step ReadBody(std::string_view data);
  Step BeginAggregate(char type, uint64_t count);
  bool FinishValue();
  Step AddNull();
  ValueNode& Add(Type type);
  Step NeedMore(size_t wanted);
  Step Fail(std::string_view text);

  const ReplyLimits limits_;
  Phase phase_ = Phase::kStart;
  Type body_type_ = Type::kBulkString;
  const char* data_ = nullptr;
  size_t position_ = 0;  // the first byte that is not read yet
  size_t scanned_ = 0;   // no line end lies between position_ and here
  size_t body_length_ = 0;
  size_t values_ = 0;
  std::vector<ValueNode> nodes_;
  std::vector<Open> open_;
  size_t bytes_wanted_ = 1;
  std::string_view error_;
};

}  // namespace chorale::client
