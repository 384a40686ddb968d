#include "storage/entry.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "storage/hash.h"
#include "storage/layers/channel_queue.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/sorted_set.h"
#include "storage/unsaved.h"

namespace chorale {
namespace {

constexpr size_t kMaxIntegerText = 20;
constexpr size_t kMaxEmbeddedString = 44;  // Where Redis's "embstr" encoding ends.

// The flexible array begins right behind the last member, inside what would be padding.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

// True when `text` is the canonical decimal form of a 64-bit integer.
bool IsCanonicalInteger(std::string_view text, int64_t* value) {
  if (text.empty() || text.size() > kMaxIntegerText) return false;
  const char last = text.back();
  if (last < '0' || last > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  const size_t sign = text[0] == '-' ? 1 : 0;
  if (text[sign] == '0') return text.size() == 1;
  return true;
}

std::string_view WriteInteger(int64_t value, IntegerText& out) {
  const auto result = std::to_chars(out, out + sizeof(out), value);
  return {out, static_cast<size_t>(result.ptr - out)};
}

}  // namespace

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return "string";
    case ValueType::kList:
      return "list";
    case ValueType::kHash:
      return "hash";
    case ValueType::kSet:
      return "set";
    case ValueType::kSortedSet:
      return "zset";
    case ValueType::kChannelQueue:
      return "channel";
  }
  return "none";
}

Entry* Entry::Allocate(std::string_view key, size_t value_capacity) {
  const size_t size = offsetof(Entry, bytes_) + key.size() + value_capacity;
  void* memory = ::operator new(std::max(size, sizeof(Entry)));
  auto* entry = new (memory) Entry;
  entry->key_size_ = static_cast<uint32_t>(key.size());
  entry->inline_capacity_ = static_cast<uint8_t>(value_capacity);
  std::memcpy(entry->bytes_, key.data(), key.size());
  return entry;
}

Entry::Pointer Entry::NewString(std::string_view key, std::string_view value) {
  int64_t integer = 0;
  if (IsCanonicalInteger(value, &integer)) return NewInteger(key, integer);
  return NewText(key, value);
}

Entry::Pointer Entry::NewText(std::string_view key, std::string_view value) {
  const bool fits = value.size() <= kMaxInlineString;
  Pointer entry(Allocate(key, fits ? value.size() : 0));
  if (fits) {
    entry->payload_.inline_size = value.size();
    std::memcpy(entry->bytes_ + key.size(), value.data(), value.size());
  } else {
    entry->payload_.heap = new std::string(value);
    entry->form_ = Form::kHeap;
  }
  return entry;
}

Entry::Pointer Entry::NewInteger(std::string_view key, int64_t value) {
  Pointer entry(Allocate(key, 0));
  entry->SetInteger(value);
  return entry;
}

Entry::Pointer Entry::NewBytes(std::string_view key, std::string bytes) {
  Pointer entry(Allocate(key, 0));
  entry->payload_.heap = new std::string(std::move(bytes));
  entry->form_ = Form::kHeap;
  return entry;
}

void Entry::FreePayload() {
  switch (type_) {
    case ValueType::kString:
      if (form_ == Form::kHeap) delete payload_.heap;
      return;
    case ValueType::kList:
      delete &object<List>();
      return;
    case ValueType::kHash:
      delete &object<Hash>();
      return;
    case ValueType::kSet:
      delete &object<Set>();
      return;
    case ValueType::kSortedSet:
      delete &object<SortedSet>();
      return;
    case ValueType::kChannelQueue:
      delete &object<ChannelQueue>();
      return;
  }
}

void Entry::Destroy(Entry* entry) {
  entry->FreePayload();
  ::operator delete(entry);
}

std::string_view Entry::StringValue(IntegerText& scratch) const {
  switch (form_) {
    case Form::kInteger:
      return WriteInteger(payload_.integer, scratch);
    case Form::kHeap:
      return *payload_.heap;
    case Form::kInline:
      break;
  }
  return {bytes_ + key_size_, payload_.inline_size};
}

size_t Entry::StringSize() const {
  IntegerText scratch;
  return StringValue(scratch).size();
}

void Entry::SetInteger(int64_t value) {
  if (form_ == Form::kHeap) delete payload_.heap;
  form_ = Form::kInteger;
  payload_.integer = value;
}

bool Entry::TrySetString(std::string_view value) {
  int64_t integer = 0;
  if (IsCanonicalInteger(value, &integer)) {
    SetInteger(integer);
    return true;
  }
  // A block much larger than the value would be kept for nothing: let the caller make a new one.
  if (value.size() > kMaxInlineString) {
    if (form_ != Form::kHeap || payload_.heap->capacity() / 2 > value.size()) return false;
    payload_.heap->assign(value);
    return true;
  }
  const bool fits = value.size() <= inline_capacity_ && value.size() + 32 > inline_capacity_;
  if (!fits) return false;
  if (form_ == Form::kHeap) delete payload_.heap;
  form_ = Form::kInline;
  payload_.inline_size = value.size();
  std::memcpy(bytes_ + key_size_, value.data(), value.size());
  return true;
}

std::string& Entry::MutableString() {
  if (form_ != Form::kHeap) {
    IntegerText scratch;
    payload_.heap = new std::string(StringValue(scratch));
    form_ = Form::kHeap;
  }
  return *payload_.heap;
}

std::string_view Entry::encoding() const {
  switch (type_) {
    case ValueType::kString:
      if (form_ == Form::kInteger) return "int";
      return form_ == Form::kInline && payload_.inline_size <= kMaxEmbeddedString ? "embstr"
                                                                                  : "raw";
    case ValueType::kList:
      return object<List>().encoding();
    case ValueType::kHash:
      return object<Hash>().encoding();
    case ValueType::kSet:
      return object<Set>().encoding();
    case ValueType::kSortedSet:
      return object<SortedSet>().encoding();
    case ValueType::kChannelQueue:
      break;
  }
  return "unknown";
}

size_t Entry::MemoryUsage() const {
  const size_t own = offsetof(Entry, bytes_) + key_size_ + inline_capacity_;
  switch (type_) {
    case ValueType::kString:
      return own + (form_ == Form::kHeap ? sizeof(std::string) + payload_.heap->capacity() : 0);
    case ValueType::kList:
      return own + object<List>().MemoryUsage();
    case ValueType::kHash:
      return own + object<Hash>().MemoryUsage();
    case ValueType::kSet:
      return own + object<Set>().MemoryUsage();
    case ValueType::kSortedSet:
      return own + object<SortedSet>().MemoryUsage();
    case ValueType::kChannelQueue:
      return own + object<ChannelQueue>().MemoryUsage();
  }
  return own;
}

Parts* Entry::parts() const {
  switch (type_) {
    case ValueType::kList:
      return object<List>().parts();
    case ValueType::kHash:
      return object<Hash>().parts();
    case ValueType::kSet:
      return object<Set>().parts();
    case ValueType::kSortedSet:
      return object<SortedSet>().parts();
    case ValueType::kString:
    case ValueType::kChannelQueue:
      break;
  }
  return nullptr;
}

Entry::Pointer Entry::Clone(std::string_view key) const {
  switch (type_) {
    case ValueType::kString:
      break;
    case ValueType::kList:
      return NewObject(key, std::make_unique<List>(object<List>().Clone()));
    case ValueType::kHash:
      return NewObject(key, std::make_unique<Hash>(object<Hash>().Clone()));
    case ValueType::kSet:
      return NewObject(key, std::make_unique<Set>(object<Set>().Clone()));
    case ValueType::kSortedSet:
      return NewObject(key, std::make_unique<SortedSet>(object<SortedSet>().Clone()));
    case ValueType::kChannelQueue:
      break;  // no command copies one
  }
  if (form_ == Form::kHeap) {
    Pointer copy(Allocate(key, 0));
    copy->payload_.heap = new std::string(*payload_.heap);
    copy->form_ = Form::kHeap;
    return copy;
  }
  IntegerText scratch;
  return NewString(key, StringValue(scratch));
}

Entry::Pointer Entry::MoveTo(std::string_view key) {
  if (type_ == ValueType::kString && form_ != Form::kHeap) return Clone(key);
  Pointer moved(Allocate(key, 0));
  moved->type_ = type_;
  moved->form_ = form_;
  moved->payload_ = payload_;
  type_ = ValueType::kString;
  form_ = Form::kInline;
  payload_.inline_size = 0;
  return moved;
}

}  // namespace chorale
