// Drives a RespParser the way a connection does: bytes come in pieces, the buffer moves whenever it
// grows, a finished command is dropped from its front. For tests and the fuzz target.

#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/resp_parser.h"

namespace chorale {

struct ParsedStream {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  size_t consumed = 0;  // bytes of whole commands
  bool idle = true;

  bool operator==(const ParsedStream&) const = default;
};

// Holds exactly the bytes received, in memory of their own, so that the address sanitizer sees a
// read past them or through a view from before they moved.
class MovingBuffer {
 public:
  void Append(std::string_view bytes) {
    std::vector<char> grown(bytes_.begin() + static_cast<std::ptrdiff_t>(dropped_), bytes_.end());
    grown.insert(grown.end(), bytes.begin(), bytes.end());
    grown.shrink_to_fit();
    bytes_.swap(grown);
    dropped_ = 0;
  }
  void Drop(size_t count) { dropped_ += count; }
  std::string_view view() const { return {bytes_.data() + dropped_, bytes_.size() - dropped_}; }

 private:
  std::vector<char> bytes_;
  size_t dropped_ = 0;
};

class StreamReader {
 public:
  explicit StreamReader(const ParserLimits& limits) : limits_(limits) {}

  void Feed(std::string_view bytes) {
    if (!result_.error.empty()) return;
    buffer_.Append(bytes);
    for (;;) {
      switch (parser_.Parse(buffer_.view(), limits_)) {
        case RespParser::Result::kCommand: {
          const auto arguments = parser_.arguments();
          result_.commands.emplace_back(arguments.begin(), arguments.end());
          result_.consumed += parser_.command_size();
          buffer_.Drop(parser_.command_size());
          break;
        }
        case RespParser::Result::kNeedMore:
          result_.idle = parser_.idle();
          return;
        case RespParser::Result::kError:
          result_.error = parser_.error();
          result_.idle = parser_.idle();
          return;
      }
    }
  }

  const ParsedStream& result() const { return result_; }
  RespParser& parser() { return parser_; }
  size_t buffered() const { return buffer_.view().size(); }

 private:
  const ParserLimits limits_;
  RespParser parser_;
  MovingBuffer buffer_;
  ParsedStream result_;
};

// `stream` in pieces of the sizes given, over and over.
inline ParsedStream ParseInPieces(std::string_view stream, std::span<const size_t> sizes,
                                  const ParserLimits& limits = {}) {
  StreamReader reader(limits);
  for (size_t piece = 0; !stream.empty(); ++piece) {
    const size_t size = std::min(sizes[piece % sizes.size()], stream.size());
    reader.Feed(stream.substr(0, size));
    stream.remove_prefix(size);
  }
  return reader.result();
}

inline ParsedStream ParseWhole(std::string_view stream, const ParserLimits& limits = {}) {
  StreamReader reader(limits);
  reader.Feed(stream);
  return reader.result();
}

}  // namespace chorale
