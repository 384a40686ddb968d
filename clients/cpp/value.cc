#include "clients/cpp/value.h"

#include "protocol/numbers.h"

namespace chorale::client {
namespace {

void Describe(const Value& value, std::string* out);

void DescribeElements(const Value& value, char open, char close, std::string* out) {
  out->push_back(open);
  size_t index = 0;
  for (const Value element : value) {
    const bool second_of_pair = value.type() == Type::kMap && index % 2 == 1;
    if (index++ > 0) out->append(second_of_pair ? ": " : ", ");
    Describe(element, out);
  }
  out->push_back(close);
}

void Describe(const Value& value, std::string* out) {
  switch (value.type()) {
    case Type::kNull:
      out->append("null");
      return;
    case Type::kInteger:
      AppendInt64(value.integer(), out);
      return;
    case Type::kDouble:
      out->append(FormatDouble(value.number()));
      return;
    case Type::kBoolean:
      out->append(value.boolean() ? "true" : "false");
      return;
    case Type::kSimpleString:
    case Type::kError:
    case Type::kBulkString:
    case Type::kBigNumber:
    case Type::kVerbatim:
      out->append(value.text());
      return;
    case Type::kArray:
      return DescribeElements(value, '[', ']', out);
    case Type::kMap:
    case Type::kSet:
      return DescribeElements(value, '{', '}', out);
    case Type::kPush:
      return DescribeElements(value, '<', '>', out);
  }
}

}  // namespace

const ValueNode Value::kNullNode{};

std::string_view Value::error_code() const {
  if (!is_error()) return {};
  return text().substr(0, text().find(' '));
}

std::string_view Value::verbatim_format() const {
  if (type() != Type::kVerbatim) return {};
  return {data_ + node_->offset - 4, 3};  // the format and a colon stand before the text
}

Value Value::operator[](size_t index) const {
  if (index >= size()) return {};
  Iterator element = begin();
  while (index-- > 0) ++element;
  return *element;
}

std::string Value::ToString() const {
  std::string out;
  Describe(*this, &out);
  return out;
}

}  // namespace chorale::client
