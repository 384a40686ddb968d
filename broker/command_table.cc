#include "broker/command_table.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "protocol/numbers.h"
#include "storage/database.h"

namespace chorale {
namespace {

constexpr size_t kLongestName = 32;

// Lower-cases into a buffer on the stack; names longer than any command's yield an empty view.
std::string_view LowerCase(std::string_view name, std::array<char, kLongestName>& buffer) {
  if (name.size() > buffer.size()) return {};
  std::transform(name.begin(), name.end(), buffer.begin(),
                 [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
  return {buffer.data(), name.size()};
}

struct Table {
  Table() {
    const std::array families = {StringCommands(),     KeyCommands(),         ListCommands(),
                                 HashCommands(),       SetCommands(),         SortedSetCommands(),
                                 PubSubCommands(),     TransactionCommands(), ScriptingCommands(),
                                 ConnectionCommands(), ClientCommands(),      ServerCommands()};
    size_t count = 0;
    for (const auto family : families) {
      for (const Command& command : family) count += 1 + command.subcommands.size();
    }
    rows.reserve(count);  // Pointers and spans into it stay valid.
    for (const auto family : families) {
      for (const Command& command : family) Add(command);
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const Command* a, const Command* b) { return a->name < b->name; });
  }

  void Add(const Command& command) {
    rows.push_back(command);
    Command& row = rows.back();
    row.id = rows.size() - 1;
    by_name.emplace(row.name, &row);
    sorted.push_back(&row);
    for (const Command& subcommand : command.subcommands) {
      rows.push_back(subcommand);
      rows.back().id = rows.size() - 1;
      rows.back().parent = command.name;
    }
    row.subcommands = {rows.data() + row.id + 1, command.subcommands.size()};
  }

  std::vector<Command> rows;
  absl::flat_hash_map<std::string_view, const Command*, StringHash, StringEqual> by_name;
  std::vector<const Command*> sorted;
};

const Table& GetTable() {
  static const Table table;
  return table;
}

}  // namespace

const Command* FindCommandByName(std::string_view name) {
  std::array<char, kLongestName> buffer;
  const auto& by_name = GetTable().by_name;
  const auto found = by_name.find(LowerCase(name, buffer));
  return found == by_name.end() ? nullptr : found->second;
}

const Command* FindCommand(Arguments args) {
  const Command* command = FindCommandByName(args[0]);
  if (command == nullptr || command->subcommands.empty() || args.size() < 2) return command;
  std::array<char, kLongestName> buffer;
  const std::string_view name = LowerCase(args[1], buffer);
  for (const Command& subcommand : command->subcommands) {
    if (subcommand.name == name) return &subcommand;
  }
  return command;
}

const std::vector<Command>& AllRows() { return GetTable().rows; }

const std::vector<const Command*>& AllCommands() { return GetTable().sorted; }

std::string FullName(const Command& command) {
  if (command.parent.empty()) return std::string(command.name);
  return std::string(command.parent) + "|" + std::string(command.name);
}

KeyPositions FindKeys(const Command& command, Arguments args) {
  KeyPositions positions;
  const KeySpec& spec = command.keys;
  const int count = static_cast<int>(args.size());
  if (spec.first > 0) {
    const int last = spec.last >= 0 ? spec.last : count + spec.last;
    for (int i = spec.first; i <= last && i < count; i += spec.step) positions.push_back(i);
  }
  if (spec.count_at > 0 && spec.count_at < count) {
    const auto keys = ParseInt64(args[spec.count_at]);
    if (!keys || *keys < 0 || *keys > count - spec.count_at - 1) return positions;
    for (int i = 1; i <= *keys; ++i) positions.push_back(spec.count_at + i);
  }
  return positions;
}

}  // namespace chorale
