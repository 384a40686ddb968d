// SORT: https://redis.io/docs/latest/commands/sort/
//
// The patterns of BY and GET name keys that only the elements tell, so the command holds every
// shard.

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/commands/arguments.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/sorted_set.h"

namespace chorale {
namespace {

struct SortOptions {
  std::optional<std::string_view> by;
  std::vector<std::string_view> get;
  std::optional<std::string_view> store;
  int64_t offset = 0;
  int64_t count = -1;  // negative: all
  bool descending = false;
  bool by_bytes = false;  // ALPHA
  // A BY pattern without a star is the same for all elements: they stay in their order.
  bool sorts() const { return !by || by->find('*') != std::string_view::npos; }
};

// Reads the option at `index`; returns how many arguments it has, 0 after an error.
size_t ReadSortOption(CommandContext& ctx, size_t index, bool may_store, SortOptions* options) {
  const std::string_view word = ctx.arg(index);
  const size_t behind = ctx.args.size() - index - 1;
  if (IsWord(word, "ASC") || IsWord(word, "DESC")) {
    options->descending = word.size() == 4;
    return 1;
  }
  if (IsWord(word, "ALPHA")) {
    options->by_bytes = true;
    return 1;
  }
  if (IsWord(word, "LIMIT") && behind >= 2) {
    const auto offset = ReadInteger(ctx, index + 1);
    if (!offset) return 0;
    const auto count = ReadInteger(ctx, index + 2);
    if (!count) return 0;
    options->offset = *offset;
    options->count = *count;
    return 3;
  }
  if (IsWord(word, "BY") && behind >= 1) {
    options->by = ctx.arg(index + 1);
    return 2;
  }
  if (IsWord(word, "GET") && behind >= 1) {
    options->get.push_back(ctx.arg(index + 1));
    return 2;
  }
  if (may_store && IsWord(word, "STORE") && behind >= 1) {
    options->store = ctx.arg(index + 1);
    return 2;
  }
  ctx.reply.Error(kSyntaxError);
  return 0;
}

// What is sorted, and by what.
struct SortItem {
  std::string element;
  double number = 0;
  std::optional<std::string> bytes = std::nullopt;  // of the key that BY names, for ALPHA
};

std::vector<SortItem> Elements(const Entry& entry) {
  std::vector<SortItem> items;
  const auto add = [&](std::string_view element) { items.push_back({std::string(element)}); };
  switch (entry.type()) {
    case ValueType::kList:
      entry.object<List>().ForEach(0, entry.object<List>().size(), add);
      break;
    case ValueType::kSet:
      entry.object<Set>().ForEach(add);
      break;
    case ValueType::kSortedSet:
      entry.object<SortedSet>().ForEach([&](std::string_view member, double) { add(member); });
      break;
    case ValueType::kString:
    case ValueType::kHash:
    case ValueType::kChannelQueue:
      break;
  }
  return items;
}

bool Sortable(ValueType type) {
  return type == ValueType::kList || type == ValueType::kSet || type == ValueType::kSortedSet;
}

// The value that a pattern of BY or GET means for an element: "#" is the element itself, "name_*"
// a string key, "name_*->field" a field of a hash; nullopt when there is none.
std::optional<std::string> Resolve(CommandContext& ctx, std::string_view pattern,
                                   std::string_view element) {
  if (pattern == "#") return std::string(element);
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return std::nullopt;
  std::string_view tail = pattern.substr(star + 1);
  std::string_view field;
  const size_t arrow = tail.find("->");
  if (arrow != std::string_view::npos && arrow + 2 < tail.size()) {
    field = tail.substr(arrow + 2);
    tail = tail.substr(0, arrow);
  }
  std::string key(pattern.substr(0, star));
  key.append(element).append(tail);
  const Entry* entry = ctx.keys.Lookup(ctx.db, key);
  if (entry == nullptr) return std::nullopt;
  if (!field.empty()) {
    if (entry->type() != ValueType::kHash) return std::nullopt;
    const auto value = entry->object<Hash>().Get(field);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  }
  if (entry->type() != ValueType::kString) return std::nullopt;
  IntegerText scratch;
  return std::string(entry->StringValue(scratch));
}

// A weight, read as leniently as Redis reads it: leading space is allowed and an empty text is 0.
std::optional<double> ReadWeight(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(value)) return std::nullopt;
  return value;
}

// False when a weight is no number.
bool ReadWeights(CommandContext& ctx, const SortOptions& options, std::vector<SortItem>& items) {
  for (SortItem& item : items) {
    std::optional<std::string> by;
    if (options.by) {
      by = Resolve(ctx, *options.by, item.element);
    } else if (!options.by_bytes) {
      by = item.element;
    }
    if (options.by_bytes) {
      item.bytes = std::move(by);
    } else if (by) {
      const auto weight = ReadWeight(*by);
      if (!weight) return false;
      item.number = *weight;
    }
  }
  return true;
}

void Sort(const SortOptions& options, std::vector<SortItem>& items) {
  // Equal weights fall back to the bytes of the elements, so that the order is always the same.
  const auto less = [&options](const SortItem& a, const SortItem& b) {
    if (!options.by_bytes) {
      return a.number != b.number ? a.number < b.number : a.element < b.element;
    }
    if (options.by) return a.bytes < b.bytes;  // A missing one comes first.
    return a.element < b.element;
  };
  std::stable_sort(items.begin(), items.end(), [&](const SortItem& a, const SortItem& b) {
    return options.descending ? less(b, a) : less(a, b);
  });
}

// The items that LIMIT leaves.
std::span<const SortItem> Limit(const SortOptions& options, const std::vector<SortItem>& items) {
  const auto size = static_cast<int64_t>(items.size());
  const int64_t begin = std::clamp<int64_t>(options.offset, 0, size);
  const int64_t count = options.count < 0 ? size - begin : std::min(options.count, size - begin);
  return {items.data() + begin, static_cast<size_t>(count)};
}

void ReplyWith(CommandContext& ctx, const SortOptions& options, std::span<const SortItem> items) {
  ctx.reply.ArrayHeader(items.size() * std::max<size_t>(options.get.size(), 1));
  for (const SortItem& item : items) {
    if (options.get.empty()) ctx.reply.Bulk(item.element);
    for (const std::string_view pattern : options.get) {
      const auto value = Resolve(ctx, pattern, item.element);
      value ? ctx.reply.Bulk(*value) : ctx.reply.Null();
    }
  }
}

void StoreInto(CommandContext& ctx, const SortOptions& options, std::span<const SortItem> items) {
  auto list = std::make_unique<List>();
  for (const SortItem& item : items) {
    if (options.get.empty()) list->PushBack(item.element);
    for (const std::string_view pattern : options.get) {
      list->PushBack(Resolve(ctx, pattern, item.element).value_or(std::string()));
    }
  }
  const size_t size = list->size();
  if (size == 0) {
    ctx.keys.Delete(ctx.db, *options.store);
  } else {
    ctx.keys.PutObject(ctx.db, *options.store, std::move(list));
  }
  ctx.reply.Integer(static_cast<int64_t>(size));
}

void SortKey(CommandContext& ctx, bool may_store) {
  SortOptions options;
  for (size_t i = 2; i < ctx.args.size();) {
    const size_t length = ReadSortOption(ctx, i, may_store, &options);
    if (length == 0) return;
    i += length;
  }
  std::vector<SortItem> items;
  bool sorts = options.sorts();
  if (const Entry* entry = ctx.keys.Lookup(ctx.db, ctx.arg(1))) {
    if (!Sortable(entry->type())) {
      ctx.reply.Error(kWrongType);
      return;
    }
    items = Elements(*entry);
    // The order of a set is chance; what is kept or computed from it shall not be.
    if (!sorts && entry->type() == ValueType::kSet &&
        (options.store || ctx.origin == CommandContext::Origin::kScript)) {
      sorts = options.by_bytes = true;
      options.by = std::nullopt;
    }
    if (!sorts && entry->type() == ValueType::kSortedSet && options.descending) {
      std::reverse(items.begin(), items.end());
    }
  }
  if (sorts) {
    if (!ReadWeights(ctx, options, items)) {
      ctx.reply.Error("ERR One or more scores can't be converted into double");
      return;
    }
    Sort(options, items);
  }
  const auto limited = Limit(options, items);
  options.store ? StoreInto(ctx, options, limited) : ReplyWith(ctx, options, limited);
}

void SortCommand(CommandContext& ctx) { SortKey(ctx, true); }

void SortReadOnly(CommandContext& ctx) { SortKey(ctx, false); }

// The key behind the last STORE; 0 when there is none.
int StoreKey(Arguments args) {
  int position = 0;
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (IsWord(args[i], "LIMIT")) {
      i += 2;
    } else if (IsWord(args[i], "GET") || IsWord(args[i], "BY")) {
      ++i;
    } else if (IsWord(args[i], "STORE")) {
      position = static_cast<int>(++i);
    }
  }
  return position;
}

constexpr KeySpec kKeyAndStore{.first = 1, .last = 1, .step = 1, .further = &StoreKey};
constexpr uint32_t kSorts = kCatSet | kCatSortedSet | kCatList | kCatSlow | kCatDangerous;

constexpr Command kCommands[] = {
    {"sort", -2, kWrite | kDenyOom | kMovableKeys | kAllShards, kKeyAndStore, kCatWrite | kSorts,
     &SortCommand, "generic", "1.0.0",
     "Sorts a list, a set or a sorted set, and replies or keeps the result."},
    {"sort_ro", -2, kReadOnly | kMovableKeys | kAllShards, kFirstKey, kCatRead | kSorts,
     &SortReadOnly, "generic", "7.0.0", "Sorts a list, a set or a sorted set."},
};

}  // namespace

std::span<const Command> SortCommands() { return kCommands; }

}  // namespace chorale
