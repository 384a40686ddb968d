#include "protocol/resp_parser.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "protocol/numbers.h"

namespace chorale {
namespace {

// Redis's limits for a client that has to authenticate first.
constexpr int64_t kUnauthenticatedArguments = 10;
constexpr int64_t kUnauthenticatedBulkLength = 16 << 10;

constexpr size_t kLineEnd = 2;  // CR LF

// Memory that is kept between commands: arguments, and bytes of unquoted inline arguments.
constexpr size_t kKeptArguments = 16;
constexpr size_t kKeptUnquoted = 128;

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Within an argument a vertical tab or form feed is an ordinary byte, as in Redis.
bool EndsPlainWord(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

size_t FindByte(std::string_view data, char byte, size_t from) {
  if (from >= data.size()) return std::string_view::npos;
  const void* found = std::memchr(data.data() + from, byte, data.size() - from);
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - data.data());
}

// Reads the escape sequence whose backslash is at `*i` and moves `*i` past it. An unknown letter
// stands for itself.
char ReadEscape(std::string_view line, size_t* i) {
  const char letter = line[*i + 1];
  if (letter == 'x' && *i + 3 < line.size()) {
    const int high = HexValue(line[*i + 2]);
    const int low = HexValue(line[*i + 3]);
    if (high >= 0 && low >= 0) {
      *i += 4;
      return static_cast<char>(high * 16 + low);
    }
  }
  *i += 2;
  switch (letter) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return letter;
  }
}

// Appends what stands between the quotes, the first of which is at `*i`, and moves `*i` past the
// closing one. False if that is missing or followed by anything but a space.
bool ReadQuoted(std::string_view line, size_t* i, std::string* out) {
  const char quote = line[(*i)++];
  while (*i < line.size()) {
    const char c = line[*i];
    if (c == quote) {
      ++*i;
      return *i == line.size() || IsSpace(line[*i]);
    }
    const bool escape = c == '\\' && *i + 1 < line.size();
    if (escape && quote == '"') {
      out->push_back(ReadEscape(line, i));
    } else if (escape && line[*i + 1] == '\'') {
      out->push_back('\'');
      *i += 2;
    } else {
      out->push_back(c);
      ++*i;
    }
  }
  return false;
}

}  // namespace

RespParser::Result RespParser::NeedMore(size_t wanted) {
  bytes_wanted_ = wanted;
  return Result::kNeedMore;
}

RespParser::Result RespParser::Fail(std::string_view text) {
  phase_ = Phase::kFailed;
  error_ = text;
  return Result::kError;
}

RespParser::Result RespParser::Parse(std::string_view data, const ParserLimits& limits) {
  if (phase_ == Phase::kStart) {
    arguments_.clear();
    if (data.empty()) return NeedMore(1);
    phase_ = data[0] == '*' ? Phase::kCountLine : Phase::kInline;
    position_ = 0;
    scanned_ = 0;
  }
  if (phase_ == Phase::kFailed) return Result::kError;
  if (phase_ == Phase::kInline) return ParseInline(data, limits);
  return ParseMultibulk(data, limits);
}

RespParser::Result RespParser::ParseMultibulk(std::string_view data, const ParserLimits& limits) {
  if (phase_ == Phase::kCountLine) {
    int64_t count = 0;
    if (const Result r = ReadCountLine(data, limits, &count); r != Result::kCommand) return r;
    arguments_left_ = std::max<int64_t>(count, 0);
    spans_.clear();
    phase_ = Phase::kLengthLine;
  }
  while (arguments_left_ > 0) {
    if (phase_ == Phase::kLengthLine) {
      if (const Result r = ReadLengthLine(data, limits); r != Result::kCommand) return r;
      phase_ = Phase::kBody;
    }
    const size_t end = position_ + body_length_ + kLineEnd;
    if (data.size() < end) return NeedMore(end);
    // The two bytes after a bulk string are not looked at; Redis does not either.
    spans_.push_back({position_, body_length_});
    position_ = scanned_ = end;
    --arguments_left_;
    phase_ = Phase::kLengthLine;
  }
  return FinishMultibulk(data);
}

RespParser::Result RespParser::FinishMultibulk(std::string_view data) {
  arguments_.resize(spans_.size());
  for (size_t i = 0; i < spans_.size(); ++i) {
    arguments_[i] = std::string_view(data.data() + spans_[i].offset, spans_[i].length);
  }
  command_size_ = position_;
  bytes_wanted_ = 1;
  phase_ = Phase::kStart;
  return Result::kCommand;
}

// The usual header, whole in the buffer: a type byte, up to 18 digits, CR and one byte more. False
// leaves everything to the slow path, which words the errors.
bool RespParser::TryReadShortHeader(std::string_view data, char type, int64_t limit,
                                    int64_t* value) {
  const char* p = data.data() + position_;
  const char* const end = data.data() + data.size();
  if (end - p < 4 || *p != type) return false;
  ++p;
  const char* const digits = p;
  int64_t number = 0;
  while (p != end && static_cast<unsigned char>(*p - '0') <= 9) {
    if (p - digits == 18) return false;
    number = number * 10 + (*p++ - '0');
  }
  const auto count = p - digits;
  if (count == 0 || count >= limit || (*digits == '0' && count > 1)) return false;
  if (end - p < 2 || *p != '\r') return false;
  *value = number;
  position_ = scanned_ = static_cast<size_t>(p + kLineEnd - data.data());
  return true;
}

// Hands out the line at position_ without its end and moves position_ past it. The byte after CR
// is taken for LF unseen, as Redis does.
RespParser::Result RespParser::ReadLine(std::string_view data, int64_t limit, const char* too_long,
                                        std::string_view* line) {
  const size_t end = FindByte(data, '\r', scanned_);
  scanned_ = std::min(end, data.size());
  if (scanned_ - position_ > static_cast<size_t>(limit)) return Fail(too_long);
  if (end == std::string_view::npos) return NeedMore(data.size() + 1);
  if (end + kLineEnd > data.size()) return NeedMore(end + kLineEnd);
  *line = data.substr(position_, end - position_);
  position_ = scanned_ = end + kLineEnd;
  return Result::kCommand;
}

RespParser::Result RespParser::ReadCountLine(std::string_view data, const ParserLimits& limits,
                                             int64_t* count) {
  if (!TryReadShortHeader(data, '*', limits.max_inline_length, count)) {
    std::string_view line;
    const Result result = ReadLine(data, limits.max_inline_length,
                                   "Protocol error: too big mbulk count string", &line);
    if (result != Result::kCommand) return result;
    const std::optional<int64_t> number = ParseInt64(line.substr(1));
    if (!number) return Fail("Protocol error: invalid multibulk length");
    *count = *number;
  }
  if (*count > limits.max_arguments) return Fail("Protocol error: invalid multibulk length");
  if (!limits.authenticated && *count > kUnauthenticatedArguments) {
    return Fail("Protocol error: unauthenticated multibulk length");
  }
  return Result::kCommand;
}

RespParser::Result RespParser::ReadLengthLine(std::string_view data, const ParserLimits& limits) {
  int64_t length = 0;
  if (!TryReadShortHeader(data, '$', limits.max_inline_length, &length)) {
    std::string_view line;
    const Result result = ReadLine(data, limits.max_inline_length,
                                   "Protocol error: too big bulk count string", &line);
    if (result != Result::kCommand) return result;
    const char type = line.empty() ? '\r' : line[0];
    if (type != '$') return Fail(std::string("Protocol error: expected '$', got '") + type + "'");
    const std::optional<int64_t> number = ParseInt64(line.substr(1));
    if (!number || *number < 0) return Fail("Protocol error: invalid bulk length");
    length = *number;
  }
  if (length > limits.max_bulk_length) return Fail("Protocol error: invalid bulk length");
  if (!limits.authenticated && length > kUnauthenticatedBulkLength) {
    return Fail("Protocol error: unauthenticated bulk length");
  }
  body_length_ = static_cast<size_t>(length);
  return Result::kCommand;
}

RespParser::Result RespParser::ParseInline(std::string_view data, const ParserLimits& limits) {
  const size_t end = FindByte(data, '\n', scanned_);
  scanned_ = std::min(end, data.size());
  if (scanned_ > static_cast<size_t>(limits.max_inline_length)) {
    return Fail("Protocol error: too big inline request");
  }
  if (end == std::string_view::npos) return NeedMore(data.size() + 1);
  // A CR before the LF needs no care: it is a space between words, and one in quotes that the line
  // does not close is an error either way.
  if (!SplitInline(data.substr(0, end))) {
    return Fail("Protocol error: unbalanced quotes in request");
  }
  command_size_ = end + 1;
  bytes_wanted_ = 1;
  phase_ = Phase::kStart;
  return Result::kCommand;
}

// Words stand between spaces. Double quotes keep spaces and know escapes, single quotes keep all
// but \'. A quoted part may follow plain text directly, but nothing may follow a closing quote.
bool RespParser::SplitInline(std::string_view line) {
  unquoted_.clear();
  for (size_t i = 0;;) {
    while (i < line.size() && IsSpace(line[i])) ++i;
    if (i == line.size()) return true;
    const size_t start = i;
    while (i < line.size() && !EndsPlainWord(line[i]) && line[i] != '"' && line[i] != '\'') ++i;
    if (i == line.size() || EndsPlainWord(line[i])) {
      arguments_.push_back(line.substr(start, i - start));
      continue;
    }
    // Words without quotes are never longer than with them, so the views handed out stay valid.
    unquoted_.reserve(line.size());
    const size_t word = unquoted_.size();
    unquoted_.append(line, start, i - start);
    if (!ReadQuoted(line, &i, &unquoted_)) return false;
    arguments_.push_back(std::string_view(unquoted_).substr(word));
  }
}

void RespParser::Shrink() {
  if (spans_.capacity() > kKeptArguments) std::vector<Span>().swap(spans_);
  if (arguments_.capacity() > kKeptArguments) std::vector<std::string_view>().swap(arguments_);
  if (unquoted_.capacity() > kKeptUnquoted) std::string().swap(unquoted_);
}

}  // namespace chorale
