// Drives a ReplyParser the way a connection does: bytes come in pieces, the buffer moves whenever
// it grows, a finished reply is dropped from its front. For tests and the fuzz target.

#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/reply_parser.h"
#include "protocol/numbers.h"
#include "tests/unit/protocol/parse_stream.h"

namespace chorale::client {

struct ParsedReplies {
  std::vector<std::string> replies;  // as Spell() writes them
  std::string error;
  size_t consumed = 0;  // bytes of whole replies

  bool operator==(const ParsedReplies&) const = default;
};

// A value with its exact type, recursively: array(simple(OK) 1 null).
inline std::string Spell(const Value& value) {
  const auto elements = [&](std::string name) {
    name += '(';
    size_t count = 0;
    for (const Value element : value) name.append(count++ == 0 ? "" : " ").append(Spell(element));
    if (count != value.size()) name += " and another size";
    return name + ')';
  };
  const auto text = [&](std::string name) { return name + '(' + std::string(value.text()) + ')'; };
  switch (value.type()) {
    case Type::kNull:
      return "null";
    case Type::kSimpleString:
      return text("simple");
    case Type::kError:
      return text("error");
    case Type::kInteger:
      return std::to_string(value.integer());
    case Type::kBulkString:
      return text("bulk");
    case Type::kDouble:
      return "double(" + FormatDouble(value.number()) + ')';
    case Type::kBoolean:
      return value.boolean() ? "true" : "false";
    case Type::kBigNumber:
      return text("big");
    case Type::kVerbatim:
      return text(std::string(value.verbatim_format()));
    case Type::kArray:
      return elements("array");
    case Type::kMap:
      return elements("map");
    case Type::kSet:
      return elements("set");
    case Type::kPush:
      return elements("push");
  }
  return "an unknown type";
}

class ReplyReader {
 public:
  explicit ReplyReader(const ReplyLimits& limits) : parser_(limits) {}

  void Feed(std::string_view bytes) {
    if (!result_.error.empty()) return;
    buffer_.Append(bytes);
    for (;;) {
      switch (parser_.Parse(buffer_.view())) {
        case ReplyParser::Result::kReply:
          result_.replies.push_back(Spell(parser_.value()));
          result_.consumed += parser_.reply_size();
          buffer_.Drop(parser_.reply_size());
          break;
        case ReplyParser::Result::kNeedMore:
          return;
        case ReplyParser::Result::kError:
          result_.error = parser_.error();
          return;
      }
    }
  }

  const ParsedReplies& result() const { return result_; }
  const ReplyParser& parser() const { return parser_; }
  size_t buffered() const { return buffer_.view().size(); }

 private:
  ReplyParser parser_;
  MovingBuffer buffer_;
  ParsedReplies result_;
};

// `stream` in pieces of the sizes given, over and over.
inline ParsedReplies ParseRepliesInPieces(std::string_view stream, std::span<const size_t> sizes,
                                          const ReplyLimits& limits = {}) {
  ReplyReader reader(limits);
  for (size_t piece = 0; !stream.empty(); ++piece) {
    const size_t size = std::min(sizes[piece % sizes.size()], stream.size());
    reader.Feed(stream.substr(0, size));
    stream.remove_prefix(size);
  }
  return reader.result();
}

inline ParsedReplies ParseReplies(std::string_view stream, const ReplyLimits& limits = {}) {
  ReplyReader reader(limits);
  reader.Feed(stream);
  return reader.result();
}

}  // namespace chorale::client
