#include "broker/commands/command_info.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "broker/command_table.h"
#include "broker/commands/key_access.h"

namespace chorale {
namespace {

constexpr std::pair<uint32_t, std::string_view> kFlagNames[] = {
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubSub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};

constexpr std::string_view kCategoryNames[] = {
    "keyspace", "read",     "write",     "set",        "sortedset",   "list",
    "hash",     "string",   "bitmap",    "pubsub",     "admin",       "fast",
    "slow",     "blocking", "dangerous", "connection", "transaction", "scripting"};

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

uint32_t ShownFlags(const Command& command) {
  return command.flags | (command.keys.count_at > 0 ? kMovableKeys : 0u);
}

// How the keys of one specification are found.
struct FoundKeys {
  std::string_view access;
  int begin;  // index of the first key, or of the number of keys
  bool counted;
  int last, step;  // of a range: relative to the first, or negative and from the end
};

std::vector<FoundKeys> KeySpecifications(const Command& command) {
  std::vector<FoundKeys> found;
  const KeySpec& keys = command.keys;
  const KeyAccess access = KeyAccessOf(command);
  if (keys.first > 0) {
    const bool alike = access.first == access.rest || keys.first == keys.last;
    const int last = keys.last < 0 ? keys.last : keys.last - keys.first;
    found.push_back({access.first, keys.first, false, alike ? last : 0, keys.step});
    if (!alike) {
      const int second = keys.first + keys.step;
      const int rest = keys.last < 0 ? keys.last : keys.last - second;
      found.push_back({access.rest, second, false, rest, keys.step});
    }
  }
  if (keys.count_at > 0) {
    found.push_back({keys.first > 0 ? access.rest : access.first, keys.count_at, true, 0, 1});
  }
  return found;
}

void WriteNumber(std::string_view name, int value, ReplyWriter& reply) {
  reply.Bulk(name);
  reply.Integer(value);
}

void WriteKeySpecification(const FoundKeys& keys, ReplyWriter& reply) {
  reply.MapHeader(3);
  reply.Bulk("flags");
  WriteWordSet(keys.access, reply);
  reply.Bulk("begin_search");
  reply.MapHeader(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.MapHeader(1);
  WriteNumber("index", keys.begin, reply);
  reply.Bulk("find_keys");
  reply.MapHeader(2);
  reply.Bulk("type");
  reply.Bulk(keys.counted ? "keynum" : "range");
  reply.Bulk("spec");
  reply.MapHeader(3);
  if (keys.counted) {
    WriteNumber("keynumidx", 0, reply);
    WriteNumber("firstkey", 1, reply);
    WriteNumber("keystep", keys.step, reply);
  } else {
    WriteNumber("lastkey", keys.last, reply);
    WriteNumber("keystep", keys.step, reply);
    WriteNumber("limit", 0, reply);
  }
}

}  // namespace

void WriteWordSet(std::string_view words, ReplyWriter& reply) {
  const std::vector<std::string> split = absl::StrSplit(Absl(words), ' ', absl::SkipEmpty());
  reply.SetHeader(split.size());
  for (const std::string& word : split) reply.SimpleString(word);
}

std::span<const std::string_view> CategoryNames() { return kCategoryNames; }

uint32_t CategoryByName(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(Absl(name));
  for (size_t i = 0; i < std::size(kCategoryNames); ++i) {
    if (kCategoryNames[i] == lower) return 1u << i;
  }
  return 0;
}

uint32_t CategoriesOf(const Command& command) {
  uint32_t categories = command.categories;
  const auto imply = [&](CommandFlag flag, uint32_t implied) {
    if (command.has(flag)) categories |= implied;
  };
  imply(kWrite, kCatWrite);
  imply(kAdmin, kCatAdmin | kCatDangerous);
  imply(kPubSub, kCatPubSub);
  imply(kBlocking, kCatBlocking);
  imply(kFast, kCatFast);
  if ((categories & kCatFast) == 0) categories |= kCatSlow;
  return categories;
}

void WriteCommandInfo(const Command& command, ReplyWriter& reply) {
  reply.ArrayHeader(10);
  reply.Bulk(FullName(command));
  reply.Integer(command.arity);
  std::string words;
  for (const auto& [flag, name] : kFlagNames) {
    if ((ShownFlags(command) & flag) != 0) absl::StrAppend(&words, " ", Absl(name));
  }
  WriteWordSet(words, reply);
  reply.Integer(command.keys.first);
  reply.Integer(command.keys.last);
  reply.Integer(command.keys.step);
  words.clear();
  for (size_t i = 0; i < std::size(kCategoryNames); ++i) {
    if ((CategoriesOf(command) >> i & 1u) != 0) {
      absl::StrAppend(&words, " @", Absl(kCategoryNames[i]));
    }
  }
  WriteWordSet(words, reply);
  reply.ArrayHeader(0);
  const auto specifications = KeySpecifications(command);
  reply.ArrayHeader(specifications.size());
  for (const FoundKeys& keys : specifications) WriteKeySpecification(keys, reply);
  reply.ArrayHeader(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) WriteCommandInfo(subcommand, reply);
}

void WriteCommandDocs(const Command& command, ReplyWriter& reply) {
  reply.MapHeader(command.subcommands.empty() ? 3 : 4);
  reply.Bulk("summary");
  reply.Bulk(command.summary);
  reply.Bulk("since");
  reply.Bulk(command.since);
  reply.Bulk("group");
  reply.Bulk(command.group);
  if (command.subcommands.empty()) return;
  reply.Bulk("subcommands");
  reply.MapHeader(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) {
    reply.Bulk(FullName(subcommand));
    WriteCommandDocs(subcommand, reply);
  }
}

}  // namespace chorale
