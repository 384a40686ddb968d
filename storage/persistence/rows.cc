#include "storage/persistence/rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "storage/layers/names.h"

namespace chorale {
namespace {

constexpr uint8_t kTypeBits = 0x0f;
constexpr uint8_t kExpires = 0x10;
constexpr uint8_t kInParts = 0x20;

// FNV-1a, folded to the number of partitions.
uint8_t PartitionOf(std::string_view key) {
  uint32_t hash = 2166136261U;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return static_cast<uint8_t>((hash ^ hash >> 16) % kPartitions);
}

void AppendLittle32(std::string* out, uint32_t value) {
  char bytes[4];
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  out->append(bytes, sizeof(bytes));
}

// One that a value can have, with another behind it for the next value.
bool IsNumberOfParts(uint64_t number) {
  return number > 0 && number < std::numeric_limits<uint64_t>::max();
}

// Splits the part before the first NUL off; all of it if there is none.
std::string_view TakeName(std::string_view* rest) {
  const size_t end = std::min(rest->find('\0'), rest->size());
  const std::string_view name = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return name;
}

// group NUL channel. A name ends at a NUL and has a character at least, so that one is not missing.
bool TakeMember(std::string_view rest, std::string_view* group, std::string_view* channel) {
  *group = TakeName(&rest);
  *channel = rest;
  return IsGroupName(*group) && IsChannelName(*channel);
}

}  // namespace

Family FamilyOfParts(ValueType type) {
  switch (type) {
    case ValueType::kList:
      return Family::kLists;
    case ValueType::kHash:
      return Family::kHashes;
    case ValueType::kSet:
      return Family::kSets;
    case ValueType::kSortedSet:
      return Family::kSortedSets;
    case ValueType::kString:
    case ValueType::kChannelQueue:
      break;
  }
  return Family::kDefault;
}

void AppendBig32(std::string* out, uint32_t value) {
  char bytes[4];
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (24 - 8 * i));
  out->append(bytes, sizeof(bytes));
}

void AppendBig64(std::string* out, uint64_t value) {
  AppendBig32(out, static_cast<uint32_t>(value >> 32));
  AppendBig32(out, static_cast<uint32_t>(value));
}

uint32_t ReadBig32(const char* bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

uint64_t ReadBig64(const char* bytes) {
  return uint64_t{ReadBig32(bytes)} << 32 | ReadBig32(bytes + 4);
}

void NameKeyRow(uint32_t space, std::string_view key, std::string* out) {
  out->clear();
  AppendBig32(out, space);
  out->push_back(static_cast<char>(PartitionOf(key)));
  out->append(key);
}

void NamePartRow(PartsId id, std::string_view part, std::string* out) {
  out->clear();
  AppendBig32(out, id.space);
  AppendBig64(out, id.number);
  out->append(part);
}

// The sign is turned round, so that negative orders come first.
void NameBlockRow(PartsId id, int32_t order, std::string* out) {
  NamePartRow(id, {}, out);
  AppendBig32(out, static_cast<uint32_t>(order) ^ 0x80000000U);
}

void NameMessageRow(std::string_view queue_key, uint64_t number, std::string* out) {
  out->assign(queue_key);
  out->push_back('\0');
  AppendBig64(out, number);
}

std::string PolicyRow(std::string_view layer) { return "p" + std::string(layer); }

std::string GroupMemberRow(std::string_view layer, std::string_view group,
                           std::string_view channel) {
  std::string row = "m";
  row.append(layer).append(1, '\0').append(group).append(1, '\0').append(channel);
  return row;
}

std::string MailboxPrefix(std::string_view layer, std::string_view mailbox) {
  std::string prefix(layer);
  prefix.append(1, '\0').append(mailbox).append(1, '\0');
  return prefix;
}

std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

std::optional<KeyRowName> ReadKeyName(std::string_view name) {
  if (name.size() < kKeyRowPrefix) return std::nullopt;
  const std::string_view key = name.substr(kKeyRowPrefix);
  if (static_cast<uint8_t>(name[kKeyRowPrefix - 1]) != PartitionOf(key)) return std::nullopt;
  return KeyRowName{ReadBig32(name.data()), key};
}

std::optional<PartRowName> ReadPartName(ValueType type, std::string_view name) {
  if (name.size() < kPartRowPrefix) return std::nullopt;
  const PartsId id{ReadBig32(name.data()), ReadBig64(name.data() + 4)};
  const std::string_view part = name.substr(kPartRowPrefix);
  if (!IsNumberOfParts(id.number)) return std::nullopt;
  if (type != ValueType::kList) return PartRowName{id, part};
  if (part.size() != sizeof(int32_t)) return std::nullopt;
  return PartRowName{id, {}, static_cast<int32_t>(ReadBig32(part.data()) ^ 0x80000000U)};
}

std::optional<MessageRowName> ReadMessageName(std::string_view name) {
  std::string_view rest = name;
  const std::string_view layer = TakeName(&rest);
  const std::string_view channel = TakeName(&rest);
  if (!IsLayerName(layer) || !IsChannelName(channel)) return std::nullopt;
  if (rest.size() != sizeof(uint64_t)) return std::nullopt;
  return MessageRowName{name.substr(0, layer.size() + 1 + channel.size()), layer,
                        ReadBig64(rest.data())};
}

std::optional<LayerRowName> ReadLayerName(std::string_view name) {
  if (name.empty()) return std::nullopt;
  std::string_view rest = name.substr(1);
  if (name[0] == 'p') return IsLayerName(rest) ? std::optional(LayerRowName{rest}) : std::nullopt;
  LayerRowName read{TakeName(&rest)};
  if (name[0] != 'm' || !IsLayerName(read.layer)) return std::nullopt;
  if (!TakeMember(rest, &read.group, &read.channel)) return std::nullopt;
  return read;
}

std::optional<MailboxRowName> ReadMailboxName(std::string_view name) {
  std::string_view rest = name;
  MailboxRowName read{MailboxRowName::Kind::kState, TakeName(&rest), TakeName(&rest)};
  if (!IsLayerName(read.layer) || !IsMailboxName(read.mailbox) || rest.empty()) return std::nullopt;
  const char kind = rest[0];
  rest.remove_prefix(1);
  switch (kind) {
    case 's':
      return rest.empty() ? std::optional(read) : std::nullopt;
    case 'm':
      read.kind = MailboxRowName::Kind::kMember;
      return TakeMember(rest, &read.group, &read.channel) ? std::optional(read) : std::nullopt;
    case 'e':
      if (rest.size() != sizeof(uint64_t)) return std::nullopt;
      read.kind = MailboxRowName::Kind::kEvent;
      read.number = ReadBig64(rest.data());
      return read;
    default:
      return std::nullopt;
  }
}

void AppendLittle64(std::string* out, uint64_t value) {
  AppendLittle32(out, static_cast<uint32_t>(value));
  AppendLittle32(out, static_cast<uint32_t>(value >> 32));
}

void AppendVarint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void AppendElement(std::string* out, std::string_view element) {
  AppendVarint(out, element.size());
  out->append(element);
}

void AppendScore(std::string* out, double score) {
  AppendLittle64(out, std::bit_cast<uint64_t>(score));
}

void AppendKeyHeader(const KeyRow& row, std::string* out) {
  auto first = static_cast<uint8_t>(row.type);
  if (row.expiry_ms) first |= kExpires;
  if (row.parts) first |= kInParts;
  out->push_back(static_cast<char>(first));
  if (row.expiry_ms) AppendLittle64(out, static_cast<uint64_t>(*row.expiry_ms));
  if (!row.parts) return;
  AppendLittle32(out, row.parts->space);
  AppendLittle64(out, row.parts->number);
}

std::optional<KeyRow> ReadKeyRow(std::string_view content) {
  ContentReader reader(content);
  const uint8_t first = reader.Byte();
  KeyRow row;
  if ((first & kTypeBits) >= static_cast<uint8_t>(ValueType::kChannelQueue)) return std::nullopt;
  if ((first & ~(kTypeBits | kExpires | kInParts)) != 0) return std::nullopt;
  row.type = static_cast<ValueType>(first & kTypeBits);
  if ((first & kExpires) != 0) row.expiry_ms = static_cast<int64_t>(reader.Little64());
  if ((first & kInParts) != 0) {
    const uint32_t space = reader.Little32();
    row.parts = PartsId{space, reader.Little64()};
  }
  row.value = reader.Rest();
  if (!reader.ok() || (row.parts && !row.value.empty())) return std::nullopt;
  if (row.parts && row.type == ValueType::kString) return std::nullopt;
  if (row.parts && !IsNumberOfParts(row.parts->number)) return std::nullopt;
  return row;
}

Element ReadElement(ValueType type, ContentReader& reader) {
  Element element{reader.Element()};
  if (type == ValueType::kHash) element.value = reader.Element();
  if (type == ValueType::kSortedSet) element.score = reader.Score();
  return element;
}

std::optional<Element> ReadPart(ValueType type, std::string_view part, std::string_view content) {
  if (type == ValueType::kHash) return Element{part, content};
  Element element{part};
  ContentReader reader(content);
  if (type == ValueType::kSortedSet) element.score = reader.Score();
  return reader.done() ? std::optional(element) : std::nullopt;
}

std::string_view ContentReader::Take(size_t bytes) {
  if (!ok_ || rest_.size() < bytes) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

uint8_t ContentReader::Byte() {
  const std::string_view byte = Take(1);
  return byte.empty() ? uint8_t{0} : static_cast<uint8_t>(byte[0]);
}

uint32_t ContentReader::Little32() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= uint32_t{Byte()} << (8 * i);
  return value;
}

uint64_t ContentReader::Little64() {
  const uint64_t low = Little32();
  return low | uint64_t{Little32()} << 32;
}

uint64_t ContentReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte();
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  ok_ = false;
  return 0;
}

double ContentReader::Score() {
  const double score = std::bit_cast<double>(Little64());
  if (std::isnan(score)) ok_ = false;
  return score;
}

std::string_view ContentReader::Element() { return Take(Varint()); }

std::string_view ContentReader::Rest() { return Take(rest_.size()); }

}  // namespace chorale
