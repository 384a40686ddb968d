// One key and its value: the node of the keyspace's hash table. Header, key and a short string
// value share one allocation. Guarded by the lock of the shard that holds it.
//
// A string value is kept in one of three forms: an integer (the text is its canonical decimal
// form), bytes behind the key (up to kMaxInlineString), or a std::string of its own. All other
// types are objects that the entry owns.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace chorale {

class List;
class Hash;
class Set;
class SortedSet;
class ChannelQueue;
struct Parts;

// kChannelQueue is never a Redis key's; see layers/channel_queue.h.
enum class ValueType : uint8_t { kString, kList, kHash, kSet, kSortedSet, kChannelQueue };

// The name that TYPE replies.
[[nodiscard]] std::string_view ValueTypeName(ValueType type);

template <typename T>
inline constexpr ValueType kValueTypeOf = ValueType::kString;
template <>
inline constexpr ValueType kValueTypeOf<List> = ValueType::kList;
template <>
inline constexpr ValueType kValueTypeOf<Hash> = ValueType::kHash;
template <>
inline constexpr ValueType kValueTypeOf<Set> = ValueType::kSet;
template <>
inline constexpr ValueType kValueTypeOf<SortedSet> = ValueType::kSortedSet;

// Room for the text of an integer value while somebody looks at it.
using IntegerText = char[24];

class Entry {
 public:
  static constexpr size_t kMaxInlineString = 128;
  static constexpr uint32_t kNoExpiry = UINT32_MAX;

  struct Deleter {
    void operator()(Entry* entry) const { Entry::Destroy(entry); }
  };
  using Pointer = std::unique_ptr<Entry, Deleter>;

  // A string. Text that is a canonical integer is kept as one, as Redis does.
  [[nodiscard]] static Pointer NewString(std::string_view key, std::string_view value);
  [[nodiscard]] static Pointer NewInteger(std::string_view key, int64_t value);
  // Text that stays text even if it is an integer.
  [[nodiscard]] static Pointer NewText(std::string_view key, std::string_view value);
  // A string of the encoding "raw", whatever the bytes are; takes them over.
  [[nodiscard]] static Pointer NewBytes(std::string_view key, std::string bytes);
  // Any other type; takes the object over.
  template <typename T>
  [[nodiscard]] static Pointer NewObject(std::string_view key, std::unique_ptr<T> object) {
    Entry* entry = Allocate(key, 0);
    entry->type_ = kValueTypeOf<T>;
    entry->payload_.object = object.release();
    return Pointer(entry);
  }
  static void Destroy(Entry* entry);

  Entry* next = nullptr;  // The chain of the hash table.

  std::string_view key() const { return {bytes_, key_size_}; }
  ValueType type() const { return type_; }

  // The object of a type other than string; the caller checked type().
  template <typename T>
  T& object() const {
    return *static_cast<T*>(payload_.object);
  }

  // Strings only. The view lives until the entry changes, or `scratch` does.
  std::string_view StringValue(IntegerText& scratch) const;
  size_t StringSize() const;
  bool is_integer() const { return form_ == Form::kInteger; }
  int64_t integer() const { return payload_.integer; }
  void SetInteger(int64_t value);
  // Overwrites the string where it stands if it has room for `value`; false when it has not.
  [[nodiscard]] bool TrySetString(std::string_view value);
  // The string as bytes that the caller may change; from here on its encoding is "raw".
  std::string& MutableString();

  // OBJECT ENCODING.
  std::string_view encoding() const;
  // Bytes of the entry and its value.
  size_t MemoryUsage() const;

  // A deep copy under another key.
  [[nodiscard]] Pointer Clone(std::string_view key) const;
  // The same value under another key; this entry is left as an empty string.
  [[nodiscard]] Pointer MoveTo(std::string_view key);

  // When the key was last used, in Unix seconds; for OBJECT IDLETIME.
  uint32_t used_at_s() const { return used_at_s_; }
  void set_used_at_s(uint32_t seconds) { used_at_s_ = seconds; }

  // Whether it has changed since its row was written, and whether there is a row of its key.
  bool unsaved() const { return unsaved_; }
  void set_unsaved(bool unsaved) { unsaved_ = unsaved; }
  bool on_disk() const { return on_disk_; }
  void set_on_disk(bool on_disk) { on_disk_ = on_disk; }
  // Of a large value; nullptr of one that is a single row, and if nothing is kept track of.
  Parts* parts() const;

  // Where the database keeps the expiry of this entry; kNoExpiry when it never expires.
  uint32_t expiry_slot() const { return expiry_slot_; }
  void set_expiry_slot(uint32_t slot) { expiry_slot_ = slot; }

 private:
  enum class Form : uint8_t { kInline, kInteger, kHeap };

  Entry() = default;
  static Entry* Allocate(std::string_view key, size_t value_capacity);
  void FreePayload();

  union {
    void* object;
    std::string* heap;
    int64_t integer;
    uint64_t inline_size;
  } payload_ = {};
  uint32_t key_size_ = 0;
  uint32_t expiry_slot_ = kNoExpiry;
  uint32_t used_at_s_ = 0;
  ValueType type_ : 4 = ValueType::kString;
  Form form_ : 2 = Form::kInline;
  bool unsaved_ : 1 = false;
  bool on_disk_ : 1 = false;
  uint8_t inline_capacity_ = 0;
  char bytes_[];  // The key, then an inline string.
};

}  // namespace chorale
