#include "protocol/reply_writer.h"

#include <charconv>
#include <cstring>

#include "protocol/numbers.h"

namespace chorale {
namespace {

// A type byte, a number of up to 20 characters, CR and LF.
constexpr size_t kHeaderSize = 23;

char* WriteNumber(char* out, int64_t value) {
  if (value >= 0 && value < 10) {
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  return std::to_chars(out, out + 20, value).ptr;
}

char* WriteHeader(char* out, char type, int64_t value) {
  *out = type;
  out = WriteNumber(out + 1, value);
  out[0] = '\r';
  out[1] = '\n';
  return out + 2;
}

void Append(std::string* out, const char* begin, const char* end) {
  out->append(begin, static_cast<size_t>(end - begin));
}

void AppendHeader(std::string* out, char type, size_t count) {
  char header[kHeaderSize];
  Append(out, header, WriteHeader(header, type, static_cast<int64_t>(count)));
}

void AppendLine(std::string* out, char type, std::string_view text) {
  // A short line is put together on the stack: one append costs less than three.
  constexpr size_t kShort = 64;
  if (text.size() > kShort) {
    out->push_back(type);
    out->append(text).append("\r\n", 2);
    return;
  }
  char line[kShort + 3];
  line[0] = type;
  std::memcpy(line + 1, text.data(), text.size());
  line[text.size() + 1] = '\r';
  line[text.size() + 2] = '\n';
  out->append(line, text.size() + 3);
}

}  // namespace

void ReplyWriter::Ok() { out_->append("+OK\r\n", 5); }
void ReplyWriter::Pong() { out_->append("+PONG\r\n", 7); }

void ReplyWriter::SimpleString(std::string_view text) { AppendLine(out_, '+', text); }

void ReplyWriter::Error(std::string_view text) {
  while (text.ends_with('\r') || text.ends_with('\n')) text.remove_suffix(1);
  const size_t start = out_->size() + 1;
  AppendLine(out_, '-', text);
  for (size_t i = start; i < start + text.size(); ++i) {
    char& c = (*out_)[i];
    if (c == '\r' || c == '\n') c = ' ';
  }
}

void ReplyWriter::Integer(int64_t value) {
  char text[kHeaderSize];
  Append(out_, text, WriteHeader(text, ':', value));
}

void ReplyWriter::Bulk(std::string_view bytes) {
  // A short string is put together on the stack: one append costs less than three.
  constexpr size_t kShort = 64;
  if (bytes.size() <= kShort) {
    char text[kHeaderSize + kShort + 2];
    char* end = WriteHeader(text, '$', static_cast<int64_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(end, bytes.data(), bytes.size());
    end += bytes.size();
    end[0] = '\r';
    end[1] = '\n';
    Append(out_, text, end + 2);
    return;
  }
  AppendHeader(out_, '$', bytes.size());
  out_->append(bytes);
  out_->append("\r\n", 2);
}

void ReplyWriter::BulkInteger(int64_t value) {
  char digits[20];
  Bulk({digits, WriteNumber(digits, value)});
}

void ReplyWriter::Null() {
  if (version_ >= 3) {
    out_->append("_\r\n", 3);
  } else {
    out_->append("$-1\r\n", 5);
  }
}

void ReplyWriter::NullArray() {
  if (version_ >= 3) {
    out_->append("_\r\n", 3);
  } else {
    out_->append("*-1\r\n", 5);
  }
}

void ReplyWriter::Boolean(bool value) {
  if (version_ >= 3) {
    out_->append(value ? "#t\r\n" : "#f\r\n", 4);
  } else {
    out_->append(value ? ":1\r\n" : ":0\r\n", 4);
  }
}

void ReplyWriter::Double(double value) {
  char buffer[kDoubleTextSize];
  const std::string_view text = FormatDouble(value, buffer);
  if (version_ >= 3) {
    AppendLine(out_, ',', text);
  } else {
    Bulk(text);
  }
}

void ReplyWriter::BigNumber(std::string_view digits) {
  if (version_ >= 3) {
    AppendLine(out_, '(', digits);
  } else {
    Bulk(digits);
  }
}

void ReplyWriter::Verbatim(std::string_view format, std::string_view text) {
  if (version_ < 3) {
    Bulk(text);
    return;
  }
  AppendHeader(out_, '=', format.size() + 1 + text.size());
  out_->append(format);
  out_->push_back(':');
  out_->append(text);
  out_->append("\r\n", 2);
}

void ReplyWriter::ArrayHeader(size_t elements) { AppendHeader(out_, '*', elements); }

void ReplyWriter::MapHeader(size_t pairs) {
  if (version_ >= 3) {
    AppendHeader(out_, '%', pairs);
  } else {
    AppendHeader(out_, '*', 2 * pairs);
  }
}

void ReplyWriter::SetHeader(size_t elements) {
  AppendHeader(out_, version_ >= 3 ? '~' : '*', elements);
}

void ReplyWriter::PushHeader(size_t elements) {
  AppendHeader(out_, version_ >= 3 ? '>' : '*', elements);
}

void ReplyWriter::AttributeHeader(size_t pairs) { AppendHeader(out_, '|', pairs); }

}  // namespace chorale
