// One value of a reply: a small view (two pointers) into what a ReplyParser has read. It is copied
// freely and allocates nothing. It stays valid until the parser reads on, which for a reply or a
// push of a Connection means: until its handler returns. Keep a copy of what is needed longer.
//
// To ask a value for something of another type is no error: it gives 0, an empty text, no elements.
// So a decoder can read a reply without checking every step, and check the result.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace chorale::client {

enum class Type : uint8_t {
  kNull,  // of RESP3, or a null bulk string or null array of RESP2
  kSimpleString,
  kError,  // simple or bulk
  kInteger,
  kBulkString,
  kDouble,
  kBoolean,
  kBigNumber,
  kVerbatim,
  kArray,
  kMap,
  kSet,
  kPush,
};

// How a parser stores a value: those of a reply stand one after the other, each before its
// elements.
struct ValueNode {
  Type type = Type::kNull;
  uint32_t extent = 1;  // nodes of this value: itself and all below it
  union {
    int64_t integer = 0;  // kInteger, kBoolean
    double number;        // kDouble
    size_t offset;        // of the text in the parser's data
  };
  size_t length = 0;  // bytes of the text, or elements
};

class Value {
 public:
  Value() : Value(&kNullNode, nullptr) {}
  // A parser's: `node` and those after it, with texts in `data`.
  Value(const ValueNode* node, const char* data) : node_(node), data_(data) {}

  Type type() const { return node_->type; }
  bool is_null() const { return type() == Type::kNull; }
  bool is_error() const { return type() == Type::kError; }

  // Of a string, an error, a big number (its digits) or a verbatim string (without its format).
  std::string_view text() const {
    return has_text() ? std::string_view(data_ + node_->offset, node_->length) : std::string_view();
  }
  // The first word of an error, such as "CHANNELFULL".
  std::string_view error_code() const;
  // Three letters, such as "txt".
  std::string_view verbatim_format() const;

  int64_t integer() const { return type() == Type::kInteger ? node_->integer : 0; }
  double number() const { return type() == Type::kDouble ? node_->number : 0; }
  bool boolean() const { return type() == Type::kBoolean && node_->integer != 0; }

  // Elements of an array, set, push or map. In a map keys and values alternate: twice its pairs.
  size_t size() const { return is_aggregate() ? node_->length : 0; }
  bool is_aggregate() const { return type() >= Type::kArray; }

  class Iterator {
   public:
    Iterator(const ValueNode* node, const char* data) : node_(node), data_(data) {}
    Value operator*() const { return {node_, data_}; }
    Iterator& operator++() {
      node_ += node_->extent;
      return *this;
    }
    bool operator==(const Iterator& other) const { return node_ == other.node_; }

   private:
    const ValueNode* node_;
    const char* data_;
  };
  Iterator begin() const { return {node_ + 1, data_}; }
  Iterator end() const { return {node_ + (is_aggregate() ? node_->extent : 1), data_}; }

  // Element `index`, a null if there is none. Walks over those before it.
  Value operator[](size_t index) const;

  // For people, in one line: [a, 1, {k: v}, null]. Texts as they are.
  std::string ToString() const;

 private:
  static const ValueNode kNullNode;

  bool has_text() const {
    switch (type()) {
      case Type::kSimpleString:
      case Type::kError:
      case Type::kBulkString:
      case Type::kBigNumber:
      case Type::kVerbatim:
        return true;
      default:
        return false;
    }
  }

  const ValueNode* node_;
  const char* data_;
};

}  // namespace chorale::client
