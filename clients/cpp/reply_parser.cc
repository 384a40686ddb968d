#include "clients/cpp/reply_parser.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "protocol/numbers.h"

namespace chorale::client {
namespace {

constexpr size_t kLineEnd = 2;         // CR LF
constexpr size_t kVerbatimPrefix = 4;  // "txt:"

constexpr std::string_view kTooLarge = "the reply is larger than the limit";
constexpr std::string_view kTooManyValues = "the reply has more values than the limit";

// Nodes that are kept between replies.
constexpr size_t kKeptNodes = 4096;

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c - '0') <= 9;
  });
}

// The specification allows a plus sign, which no server sends.
std::string_view WithoutPlus(std::string_view number) {
  if (number.size() > 1 && number[0] == '+' && number[1] != '-') number.remove_prefix(1);
  return number;
}

bool IsBigNumber(std::string_view digits) {
  digits = WithoutPlus(digits);
  if (!digits.empty() && digits[0] == '-') digits.remove_prefix(1);
  return IsDigits(digits);
}

// Types whose header is a number: integers, and what announces its length.
bool IsCounted(char type) {
  switch (type) {
    case ':':
    case '$':
    case '!':
    case '=':
    case '*':
    case '%':
    case '~':
    case '>':
    case '|':
      return true;
    default:
      return false;
  }
}

Type AggregateType(char type) {
  switch (type) {
    case '*':
      return Type::kArray;
    case '~':
      return Type::kSet;
    case '>':
      return Type::kPush;
    default:
      return Type::kMap;
  }
}

}  // namespace

void ReplyParser::Reset() {
  phase_ = Phase::kStart;
  bytes_wanted_ = 1;
  error_ = {};
  nodes_ = {};
  open_ = {};
}

void ReplyParser::Begin() {
  if (nodes_.capacity() > kKeptNodes) nodes_ = {};
  nodes_.clear();
  open_.clear();
  position_ = 0;
  scanned_ = 0;
  values_ = 0;
  phase_ = Phase::kHeader;
}

ReplyParser::Result ReplyParser::Parse(std::string_view data) {
  if (phase_ == Phase::kStart) Begin();
  if (phase_ == Phase::kFailed) return Result::kError;
  data_ = data.data();
  for (;;) {
    switch (phase_ == Phase::kBody ? ReadBody(data) : ReadHeader(data)) {
      case Step::kValue:
        if (!FinishValue()) break;
        phase_ = Phase::kStart;
        bytes_wanted_ = 1;
        return Result::kReply;
      case Step::kContinue:
        break;
      case Step::kNeedMore:
        return Result::kNeedMore;
      case Step::kError:
        return Result::kError;
    }
  }
}

ReplyParser::Step ReplyParser::NeedMore(size_t wanted) {
  bytes_wanted_ = wanted;
  return Step::kNeedMore;
}

ReplyParser::Step ReplyParser::Fail(std::string_view text) {
  phase_ = Phase::kFailed;
  error_ = text;
  return Step::kError;
}

ValueNode& ReplyParser::Add(Type type) {
  ValueNode& node = nodes_.emplace_back();
  node.type = type;
  return node;
}

ReplyParser::Step ReplyParser::AddNull() {
  Add(Type::kNull);
  return Step::kValue;
}

// Where the line at position_ must have ended. Of two limits the one that lies nearer counts,
// however the stream is cut.
size_t ReplyParser::LineLimit() const {
  return std::min(position_ + limits_.max_line_bytes + kLineEnd, limits_.max_bytes);
}

// The usual header, whole in the buffer: a type byte, up to 18 digits, CR LF. False leaves
// everything to the slow path, which words the errors.
bool ReplyParser::TryReadShortHeader(std::string_view data, char* type, uint64_t* number) {
  const char* p = data.data() + position_;
  const char* const end = data.data() + std::min(data.size(), LineLimit());
  if (end - p < 4) return false;
  *type = *p++;
  const char* const digits = p;
  uint64_t value = 0;
  while (p != end && static_cast<unsigned char>(*p - '0') <= 9) {
    value = value * 10 + static_cast<uint64_t>(*p++ - '0');
  }
  const auto count = p - digits;
  if (count == 0 || count > 18 || (*digits == '0' && count > 1)) return false;
  if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return false;
  *number = value;
  position_ = scanned_ = static_cast<size_t>(p + kLineEnd - data.data());
  return true;
}

// Hands out the line at position_ without its end and moves position_ past it.
ReplyParser::Step ReplyParser::ReadLine(std::string_view data, std::string_view* line) {
  const void* found = scanned_ < data.size()
                          ? std::memchr(data.data() + scanned_, '\r', data.size() - scanned_)
                          : nullptr;
  scanned_ = found == nullptr ? data.size()
                              : static_cast<size_t>(static_cast<const char*>(found) - data.data());
  const size_t limit = LineLimit();
  if (scanned_ + kLineEnd > limit) {
    return Fail(limit == limits_.max_bytes ? kTooLarge : "a line is longer than the limit");
  }
  if (found == nullptr) return NeedMore(data.size() + 1);
  if (scanned_ + kLineEnd > data.size()) return NeedMore(scanned_ + kLineEnd);
  if (data[scanned_ + 1] != '\n') return Fail("a CR without an LF");
  *line = data.substr(position_, scanned_ - position_);
  position_ = scanned_ = scanned_ + kLineEnd;
  return Step::kContinue;
}

ReplyParser::Step ReplyParser::ReadHeader(std::string_view data) {
  // The next byte is the one too many, wherever the stream is cut.
  if (values_ == limits_.max_values) {
    return position_ < data.size() ? Fail(kTooManyValues) : NeedMore(data.size() + 1);
  }
  const size_t start = position_;
  char type = 0;
  uint64_t number = 0;
  if (IsCounted(position_ < data.size() ? data[position_] : 0) &&
      TryReadShortHeader(data, &type, &number)) {
    ++values_;
    return BeginCounted(type, number);
  }
  std::string_view line;
  if (const Step step = ReadLine(data, &line); step != Step::kContinue) return step;
  if (line.empty()) return Fail("an empty line where a value should be");
  ++values_;
  type = line[0];
  const std::string_view content = line.substr(1);
  if (!IsCounted(type)) return ReadScalar(type, content, start + 1);
  if (type == ':') return ReadInteger(content);
  if (content == "-1" && (type == '$' || type == '*')) return AddNull();
  const std::optional<uint64_t> count = ParseUint64(content);
  if (!count) return Fail("a length that is no number");
  return BeginCounted(type, *count);
}

// A header that is a type and a number.
ReplyParser::Step ReplyParser::BeginCounted(char type, uint64_t number) {
  switch (type) {
    case ':':
      Add(Type::kInteger).integer = static_cast<int64_t>(number);
      return Step::kValue;
    case '$':
      return BeginBody(Type::kBulkString, number);
    case '!':
      return BeginBody(Type::kError, number);
    case '=':
      return BeginBody(Type::kVerbatim, number);
    default:
      return BeginAggregate(type, number);
  }
}

ReplyParser::Step ReplyParser::ReadScalar(char type, std::string_view content,
                                          size_t content_offset) {
  switch (type) {
    case '+':
      return ReadText(Type::kSimpleString, content, content_offset);
    case '-':
      return ReadText(Type::kError, content, content_offset);
    case ',':
      return ReadDouble(content);
    case '(':
      if (!IsBigNumber(content)) return Fail("a big number that is none");
      return ReadText(Type::kBigNumber, content, content_offset);
    case '_':
      if (!content.empty()) return Fail("a null with something in it");
      return AddNull();
    case '#':
      if (content != "t" && content != "f") return Fail("a boolean that is neither t nor f");
      Add(Type::kBoolean).integer = content == "t" ? 1 : 0;
      return Step::kValue;
    default:
      return Fail("an unknown type of value");
  }
}

ReplyParser::Step ReplyParser::ReadText(Type type, std::string_view content,
                                        size_t content_offset) {
  ValueNode& node = Add(type);
  node.offset = content_offset;
  node.length = content.size();
  return Step::kValue;
}

ReplyParser::Step ReplyParser::ReadInteger(std::string_view content) {
  const std::optional<int64_t> integer = ParseInt64(WithoutPlus(content));
  if (!integer) return Fail("an integer that is none");
  Add(Type::kInteger).integer = *integer;
  return Step::kValue;
}

ReplyParser::Step ReplyParser::ReadDouble(std::string_view content) {
  std::optional<double> number = ParseDouble(content);
  if (content == "nan" || content == "-nan") number = std::numeric_limits<double>::quiet_NaN();
  if (!number) return Fail("a double that is none");
  Add(Type::kDouble).number = *number;
  return Step::kValue;
}

ReplyParser::Step ReplyParser::BeginBody(Type type, uint64_t length) {
  if (length > limits_.max_bytes) return Fail(kTooLarge);
  body_type_ = type;
  body_length_ = length;
  phase_ = Phase::kBody;
  return Step::kContinue;
}

ReplyParser::Step ReplyParser::ReadBody(std::string_view data) {
  const size_t text_end = position_ + body_length_;
  const size_t end = text_end + kLineEnd;
  if (end > limits_.max_bytes) return Fail(kTooLarge);
  if (data.size() < end) return NeedMore(end);
  if (data[text_end] != '\r' || data[text_end + 1] != '\n') {
    return Fail("a text that is longer than announced");
  }
  size_t offset = position_;
  if (body_type_ == Type::kVerbatim) {
    if (body_length_ < kVerbatimPrefix || data[offset + kVerbatimPrefix - 1] != ':') {
      return Fail("a verbatim string without a format");
    }
    offset += kVerbatimPrefix;
  }
  ValueNode& node = Add(body_type_);
  node.offset = offset;
  node.length = text_end - offset;
  position_ = scanned_ = end;
  phase_ = Phase::kHeader;
  return Step::kValue;
}

ReplyParser::Step ReplyParser::BeginAggregate(char type, uint64_t count) {
  if (count > limits_.max_values) return Fail(kTooManyValues);
  if (type == '>' && !open_.empty()) return Fail("a push within a reply");
  const bool attribute = type == '|';
  const size_t elements = count * (type == '%' || attribute ? 2 : 1);
  if (attribute && elements == 0) return Step::kContinue;
  if (open_.size() >= limits_.max_depth) return Fail("the reply is nested deeper than the limit");
  Add(AggregateType(type)).length = elements;
  if (elements == 0) return Step::kValue;
  open_.push_back({nodes_.size() - 1, elements, attribute});
  return Step::kContinue;
}

// The value at the end of nodes_ is complete, and with it perhaps aggregates that it is the last
// element of. True if the whole reply is.
bool ReplyParser::FinishValue() {
  while (!open_.empty()) {
    Open& last = open_.back();
    if (--last.elements_left > 0) return false;
    const Open finished = last;
    open_.pop_back();
    if (finished.attribute) {
      // The value that it describes follows in its place.
      nodes_.resize(finished.node);
      return false;
    }
    nodes_[finished.node].extent = static_cast<uint32_t>(nodes_.size() - finished.node);
  }
  return true;
}

}  // namespace chorale::client
