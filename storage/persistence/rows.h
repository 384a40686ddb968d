// The rows of the data directory: their families, their names and the contents that are encoded by
// hand. Numbers in names are big-endian, so that rows lie in their order; in contents they are
// little-endian.
//
//   family        name                                     content
//   keys          space(4) partition(1) key                type and flags(1) [expiry(8)] value, or
//                                                          space(4) number(8) of its parts
//   lists         space(4) number(8) order(4)              count, elements
//   hashes        space(4) number(8) field                 value
//   sets          space(4) number(8) member                empty
//   sorted_sets   space(4) number(8) member                score(8)
//   channels      layer NUL channel NUL number(8)          records::Message
//   layers        'p' layer                                records::Policy
//                 'm' layer NUL group NUL channel          expiry(8)
//   mailboxes     layer NUL mailbox NUL 's'                records::Mailbox
//                 layer NUL mailbox NUL 'm' group NUL channel   expiry(8)
//                 layer NUL mailbox NUL 'e' number(8)      records::Event
//   default       "format"                                 records::Format
//
// A small collection is its elements, each with its length in front of it, in the key's row.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/entry.h"
#include "storage/unsaved.h"

namespace chorale {

enum class Family : uint8_t {
  kDefault,
  kKeys,
  kLists,
  kHashes,
  kSets,
  kSortedSets,
  kChannels,
  kLayers,
  kMailboxes,
};
inline constexpr std::array<const char*, 9> kFamilyNames = {
    "default", "keys", "lists", "hashes", "sets", "sorted_sets", "channels", "layers", "mailboxes"};

// The family of the parts of values of a type, which is none of the types that have none.
[[nodiscard]] Family FamilyOfParts(ValueType type);

// ---- names ----
inline constexpr size_t kKeyRowPrefix = 5;
inline constexpr size_t kPartRowPrefix = 12;
// Keys are spread over so many partitions, for reading in parallel; the same in every process.
inline constexpr int kPartitions = 64;

void AppendBig32(std::string* out, uint32_t value);
void AppendBig64(std::string* out, uint64_t value);
[[nodiscard]] uint32_t ReadBig32(const char* bytes);
[[nodiscard]] uint64_t ReadBig64(const char* bytes);

// Each replaces what `*out` held.
void NameKeyRow(uint32_t space, std::string_view key, std::string* out);
void NamePartRow(PartsId id, std::string_view part, std::string* out);
void NameBlockRow(PartsId id, int32_t order, std::string* out);
void NameMessageRow(std::string_view queue_key, uint64_t number, std::string* out);
[[nodiscard]] std::string PolicyRow(std::string_view layer);
[[nodiscard]] std::string GroupMemberRow(std::string_view layer, std::string_view group,
                                         std::string_view channel);
[[nodiscard]] std::string MailboxPrefix(std::string_view layer, std::string_view mailbox);
// What lies behind every row that begins with `prefix`.
[[nodiscard]] std::string AfterPrefix(std::string prefix);

// What the names say; nullopt for one that none of the functions above makes. All parts are views
// of the name.
struct KeyRowName {
  uint32_t space;
  std::string_view key;
};
[[nodiscard]] std::optional<KeyRowName> ReadKeyName(std::string_view name);
struct PartRowName {
  PartsId id;
  std::string_view part;  // field or member
  int32_t order = 0;      // of a list's block, which has no `part`
};
[[nodiscard]] std::optional<PartRowName> ReadPartName(ValueType type, std::string_view name);
struct MessageRowName {
  std::string_view queue_key, layer;
  uint64_t number;
};
[[nodiscard]] std::optional<MessageRowName> ReadMessageName(std::string_view name);
struct LayerRowName {
  std::string_view layer;
  std::string_view group = {}, channel = {};  // of a member; empty for a policy
};
[[nodiscard]] std::optional<LayerRowName> ReadLayerName(std::string_view name);
struct MailboxRowName {
  enum class Kind : uint8_t { kState, kMember, kEvent };
  Kind kind;
  std::string_view layer, mailbox;
  std::string_view group = {}, channel = {};  // of a member
  uint64_t number = 0;                        // of an event
};
[[nodiscard]] std::optional<MailboxRowName> ReadMailboxName(std::string_view name);

// ---- contents ----
void AppendLittle64(std::string* out, uint64_t value);
void AppendVarint(std::string* out, uint64_t value);
void AppendElement(std::string* out, std::string_view element);
void AppendScore(std::string* out, double score);

// Reads what the functions above wrote. After a failed read nothing more can be read.
class ContentReader {
 public:
  explicit ContentReader(std::string_view content) : rest_(content) {}
  bool ok() const { return ok_; }
  // All was read, and nothing failed.
  bool done() const { return ok_ && rest_.empty(); }
  uint8_t Byte();
  uint32_t Little32();
  uint64_t Little64();
  uint64_t Varint();
  // Fails for what is not a number, which no sorted set has.
  double Score();
  std::string_view Element();
  std::string_view Rest();

 private:
  std::string_view Take(size_t bytes);
  std::string_view rest_;
  bool ok_ = true;
};

struct KeyRow {
  ValueType type = ValueType::kString;
  std::optional<int64_t> expiry_ms;
  std::optional<PartsId> parts;  // of a large value
  std::string_view value;        // of another
};
// Appends what comes before the value.
void AppendKeyHeader(const KeyRow& row, std::string* out);
[[nodiscard]] std::optional<KeyRow> ReadKeyRow(std::string_view content);

struct Element {
  std::string_view name;        // element, field or member
  std::string_view value = {};  // of a hash
  double score = 0;             // of a sorted set
};
// The next one of a small collection.
[[nodiscard]] Element ReadElement(ValueType type, ContentReader& reader);

// Calls add(Element) with each element of a small collection, or of a block of a list. False if the
// content is none, or an empty one; some elements may have been added then.
template <typename Add>
[[nodiscard]] bool ReadElements(ValueType type, std::string_view content, Add add) {
  ContentReader reader(content);
  const uint64_t count = reader.Varint();
  for (uint64_t i = 0; i < count; ++i) {
    const Element element = ReadElement(type, reader);
    if (!reader.ok()) return false;
    add(element);
  }
  return count > 0 && reader.done();
}

// The part of a hash, a set or a sorted set that a row is.
[[nodiscard]] std::optional<Element> ReadPart(ValueType type, std::string_view part,
                                              std::string_view content);

}  // namespace chorale
