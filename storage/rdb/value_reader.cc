#include "storage/rdb/value_reader.h"

#include <array>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/rdb/packed_encodings.h"
#include "storage/rdb/rdb_format.h"
#include "storage/rdb/skipped_values.h"
#include "storage/set.h"
#include "storage/sorted_set.h"

namespace chorale::rdb {
namespace {

constexpr int64_t kNoFieldExpiry = 0;

// Elements that belong together, such as a field and its value.
class Grouping {
 public:
  using Taker = absl::FunctionRef<bool(std::span<const std::string> group)>;

  Grouping(size_t width, Taker take) : width_(width), take_(take) {}

  bool Add(std::string_view element) {
    group_[filled_++] = element;
    if (filled_ < width_) return true;
    filled_ = 0;
    return take_({group_.data(), width_});
  }
  bool whole() const { return filled_ == 0; }

 private:
  const size_t width_;
  const Taker take_;
  std::array<std::string, 3> group_;
  size_t filled_ = 0;
};

struct Packing {
  bool (*visit)(std::string_view bytes, ElementVisitor visit);
  const char* name;
};
constexpr Packing kZiplist{VisitZiplist, "ziplist"};
constexpr Packing kListpack{VisitListpack, "listpack"};
constexpr Packing kZipmap{VisitZipmap, "zipmap"};
constexpr Packing kIntset{VisitIntset, "intset"};

// Reads a string that holds many elements.
bool Unpack(Input& input, const Packing& packing, size_t width, Grouping::Taker take) {
  std::string bytes;
  if (!input.ReadString(bytes)) return false;
  Grouping groups(width, take);
  const bool sound =
      packing.visit(bytes, [&](std::string_view element) { return groups.Add(element); });
  if (!input.status().ok()) return false;
  return (sound && groups.whole()) || input.Fail(absl::StrCat("a ", packing.name, " is damaged"));
}

class ValueReader {
 public:
  ValueReader(Input& input, int64_t now_ms, RdbSummary& summary)
      : input_(input), now_ms_(now_ms), summary_(summary) {}

  bool ReadList(uint8_t type, List& list) {
    const auto append = [&](std::span<const std::string> element) {
      list.PushBack(element[0]);
      return true;
    };
    if (type == kListZiplist) return Unpack(input_, kZiplist, 1, append);
    return ForEach([&](uint64_t) {
      if (type == kListQuicklist) return Unpack(input_, kZiplist, 1, append);
      if (type == kListQuicklist2) return ReadQuicklistNode(append, list);
      std::string element;
      if (!input_.ReadString(element)) return false;
      list.PushBack(element);
      return true;
    });
  }

  bool ReadSet(uint8_t type, Set& set) {
    const auto add = [&](std::span<const std::string> member) { return Add(set, member[0]); };
    if (type == kSetIntset) return Unpack(input_, kIntset, 1, add);
    if (type == kSetListpack) return Unpack(input_, kListpack, 1, add);
    std::string member;
    return ForEach([&](uint64_t count) {
      if (set.size() == 0) set = Set(count);
      return input_.ReadString(member) && Add(set, member);
    });
  }

  bool ReadSortedSet(uint8_t type, SortedSet& set) {
    const auto add = [&](std::span<const std::string> group) {
      double score = 0;
      if (!absl::SimpleAtod(group[1], &score)) return input_.Fail("a score is not a number");
      return Add(set, group[0], score);
    };
    if (type == kSortedSetZiplist) return Unpack(input_, kZiplist, 2, add);
    if (type == kSortedSetListpack) return Unpack(input_, kListpack, 2, add);
    std::string member;
    return ForEach([&](uint64_t) {
      double score = 0;
      if (!input_.ReadString(member)) return false;
      const bool read =
          type == kSortedSet ? input_.ReadTextDouble(score) : input_.ReadDouble(score);
      return read && Add(set, member, score);
    });
  }

  bool ReadHash(uint8_t type, Hash& hash) {
    const auto add = [&](std::span<const std::string> group) {
      int64_t expires_at = kNoFieldExpiry;
      if (group.size() == 3 && !absl::SimpleAtoi(group[2], &expires_at)) {
        return input_.Fail("the expiry of a hash field is not a number");
      }
      return Add(hash, group[0], group[1], expires_at);
    };
    int64_t soonest = 0;
    switch (type) {
      case kHashZipmap:
        return Unpack(input_, kZipmap, 2, add);
      case kHashZiplist:
        return Unpack(input_, kZiplist, 2, add);
      case kHashListpack:
        return Unpack(input_, kListpack, 2, add);
      case kHashFieldExpiryListpackPreRelease:
        return Unpack(input_, kListpack, 3, add);
      case kHashFieldExpiryListpack:
        return input_.ReadInt64(soonest) && Unpack(input_, kListpack, 3, add);
      case kHashFieldExpiryPreRelease:
        return ReadFieldsWithExpiry(0, hash);
      case kHashFieldExpiry:
        // An expiry is written as its distance from the soonest one, plus one.
        return input_.ReadInt64(soonest) &&
               ReadFieldsWithExpiry(static_cast<uint64_t>(soonest) - 1, hash);
    }
    std::string field;
    std::string value;
    return ForEach([&](uint64_t) {
      return input_.ReadString(field) && input_.ReadString(value) &&
             Add(hash, field, value, kNoFieldExpiry);
    });
  }

 private:
  // Reads a count, and calls with it as many times.
  bool ForEach(absl::FunctionRef<bool(uint64_t count)> read_one) {
    uint64_t count = 0;
    if (!input_.ReadLength(count)) return false;
    for (uint64_t i = 0; i < count; ++i) {
      if (!read_one(count)) return false;
    }
    return true;
  }

  bool ReadQuicklistNode(Grouping::Taker append, List& list) {
    constexpr uint64_t kOneElement = 1;
    constexpr uint64_t kPacked = 2;
    uint64_t container = 0;
    if (!input_.ReadLength(container)) return false;
    if (container == kPacked) return Unpack(input_, kListpack, 1, append);
    if (container != kOneElement) return input_.Fail("a node of a quicklist has an unknown form");
    std::string element;
    if (!input_.ReadString(element)) return false;
    list.PushBack(element);
    return true;
  }

  bool ReadFieldsWithExpiry(uint64_t origin_ms, Hash& hash) {
    std::string field;
    std::string value;
    return ForEach([&](uint64_t) {
      uint64_t distance = 0;
      if (!input_.ReadLength(distance) || !input_.ReadString(field) || !input_.ReadString(value)) {
        return false;
      }
      const auto expires_at = static_cast<int64_t>(origin_ms + distance);
      return Add(hash, field, value, distance == 0 ? kNoFieldExpiry : expires_at);
    });
  }

  bool Add(Set& set, std::string_view member) {
    return set.Add(member) || input_.Fail("a member of a set is there twice");
  }

  bool Add(SortedSet& set, std::string_view member, double score) {
    if (std::isnan(score)) return input_.Fail("a score is not a number");
    return set.Add(member, score).outcome == SortedSet::AddOutcome::kAdded ||
           input_.Fail("a member of a sorted set is there twice");
  }

  bool Add(Hash& hash, std::string_view field, std::string_view value, int64_t expires_at) {
    if (expires_at != kNoFieldExpiry && expires_at < now_ms_) {
      ++summary_.expired_hash_fields;
      return true;
    }
    if (expires_at != kNoFieldExpiry) ++summary_.skipped[kSkippedFieldExpiry];
    return hash.Set(field, value) || input_.Fail("a field of a hash is there twice");
  }

  Input& input_;
  const int64_t now_ms_;
  RdbSummary& summary_;
};

template <typename T>
bool ReadObject(ValueReader& reader, bool (ValueReader::*read)(uint8_t, T&), uint8_t type,
                std::string_view key, RdbSummary& summary, Entry::Pointer& entry) {
  auto object = std::make_unique<T>();
  if (!(reader.*read)(type, *object)) return false;
  if (object->size() > 0) {
    entry = Entry::NewObject(key, std::move(object));
  } else {
    ++summary.skipped["key without elements"];
  }
  return true;
}

bool ReadString(Input& input, std::string_view key, Entry::Pointer& entry) {
  std::string text;
  if (!input.ReadString(text)) return false;
  entry = Entry::NewString(key, text);
  return true;
}

bool SkipModule(Input& input, RdbSummary& summary) {
  std::string name;
  if (!SkipModuleValue(input, name)) return false;
  ++summary.skipped[absl::StrCat("module type ", name)];
  return true;
}

}  // namespace

bool ReadValue(Input& input, uint8_t type, std::string_view key, int64_t now_ms,
               RdbSummary& summary, Entry::Pointer& entry) {
  entry.reset();
  ValueReader reader(input, now_ms, summary);
  switch (type) {
    case kString:
      return ReadString(input, key, entry);
    case kList:
    case kListZiplist:
    case kListQuicklist:
    case kListQuicklist2:
      return ReadObject(reader, &ValueReader::ReadList, type, key, summary, entry);
    case kSet:
    case kSetIntset:
    case kSetListpack:
      return ReadObject(reader, &ValueReader::ReadSet, type, key, summary, entry);
    case kSortedSet:
    case kSortedSet2:
    case kSortedSetZiplist:
    case kSortedSetListpack:
      return ReadObject(reader, &ValueReader::ReadSortedSet, type, key, summary, entry);
    case kHash:
    case kHashZipmap:
    case kHashZiplist:
    case kHashListpack:
    case kHashFieldExpiryPreRelease:
    case kHashFieldExpiryListpackPreRelease:
    case kHashFieldExpiry:
    case kHashFieldExpiryListpack:
      return ReadObject(reader, &ValueReader::ReadHash, type, key, summary, entry);
    case kStream:
    case kStream2:
    case kStream3:
    case kStream4:
    case kStream5:
      ++summary.skipped["stream"];
      return SkipStream(input, type);
    case kModule2:
      return SkipModule(input, summary);
    case kModulePreRelease:
      return input.Fail("a module's value in the form before Redis 4.0 cannot be passed over");
  }
  return input.Fail(absl::StrCat("unknown type ", type));
}

}  // namespace chorale::rdb
