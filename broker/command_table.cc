#include "broker/command_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "absl/strings/ascii.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

char Lower(char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); }

bool EqualsIgnoringCase(std::string_view name, std::string_view lower) {
  return name.size() == lower.size() && std::equal(name.begin(), name.end(), lower.begin(),
                                                   [](char a, char b) { return Lower(a) == b; });
}

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// Up to eight bytes of the name as a number, letters in lower case (other bytes are changed too,
// alike for equal names); the length tells names with the same beginning apart. For a name of up to
// eight letters nothing else has the same number.
uint64_t NamePrefix(std::string_view name) {
  constexpr uint64_t kLowerCase = 0x2020202020202020;
  const char* const text = name.data();
  const size_t size = name.size();
  if (size >= 8) return Load<uint64_t>(text) | kLowerCase;
  // Two overlapping loads: copying a number of bytes that is not known costs much more.
  if (size >= 4) {
    const uint64_t end = Load<uint32_t>(text + size - 4);
    return (Load<uint32_t>(text) | end << 32) | kLowerCase;
  }
  if (size >= 2) {
    const uint64_t end = Load<uint16_t>(text + size - 2);
    return (Load<uint16_t>(text) | end << 32) | kLowerCase;
  }
  return size == 0 ? 0 : Load<uint8_t>(text) | kLowerCase;
}

// Open addressing over name prefixes: one multiplication and nearly always one probe.
class NameIndex {
 public:
  void Add(const Command* command) {
    size_t slot = Slot(NamePrefix(command->name), command->name.size());
    while (slots_[slot].command != nullptr) slot = (slot + 1) % kSlots;
    const bool letters = std::all_of(command->name.begin(), command->name.end(),
                                     [](char c) { return c >= 'a' && c <= 'z'; });
    slots_[slot] = {NamePrefix(command->name), command,
                    letters && command->name.size() <= sizeof(uint64_t)};
  }

  const Command* Find(std::string_view name) const {
    const uint64_t prefix = NamePrefix(name);
    for (size_t i = Slot(prefix, name.size()); slots_[i].command != nullptr; i = (i + 1) % kSlots) {
      const Entry& entry = slots_[i];
      if (entry.prefix != prefix || entry.command->name.size() != name.size()) continue;
      if (entry.prefix_is_all || EqualsIgnoringCase(name, entry.command->name)) {
        return entry.command;
      }
    }
    return nullptr;
  }

 private:
  static constexpr size_t kSlotBits = 11;
  static constexpr size_t kSlots = size_t{1} << kSlotBits;

  static size_t Slot(uint64_t prefix, size_t length) {
    return ((prefix ^ length) * 0x9e3779b97f4a7c15) >> (64 - kSlotBits);
  }

  struct Entry {
    uint64_t prefix = 0;
    const Command* command = nullptr;
    bool prefix_is_all = false;
  };
  std::array<Entry, kSlots> slots_{};
};

struct Table {
  Table() {
    const std::array families = {
        StringCommands(),      BitmapCommands(),      KeyCommands(),           ExpiryCommands(),
        DatabaseCommands(),    ScanCommands(),        SortCommands(),          ListCommands(),
        HashCommands(),        SetCommands(),         SortedSetCommands(),     PubSubCommands(),
        TransactionCommands(), ScriptingCommands(),   ConnectionCommands(),    ClientCommands(),
        ServerCommands(),      PersistenceCommands(), IntrospectionCommands(), ConfigCommands(),
        InfoCommands(),        DiagnosticsCommands(), ReplicationCommands(),   AccessCommands(),
        LayerCommands(),       ChannelCommands(),     MailboxCommands(),       GroupCommands()};
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
    by_name.Add(&row);
    sorted.push_back(&row);
    for (const Command& subcommand : command.subcommands) {
      rows.push_back(subcommand);
      rows.back().id = rows.size() - 1;
      rows.back().parent = command.name;
    }
    row.subcommands = {rows.data() + row.id + 1, command.subcommands.size()};
  }

  std::vector<Command> rows;
  NameIndex by_name;
  std::vector<const Command*> sorted;
};

const Table& GetTable() {
  static const Table table;
  return table;
}

}  // namespace

const Command* FindCommandByName(std::string_view name) { return GetTable().by_name.Find(name); }

const Command* FindCommand(Arguments args) {
  const Command* command = FindCommandByName(args[0]);
  if (command == nullptr || command->subcommands.empty() || args.size() < 2) return command;
  for (const Command& subcommand : command->subcommands) {
    if (EqualsIgnoringCase(args[1], subcommand.name)) return &subcommand;
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
  if (spec.further != nullptr) {
    if (const int further = spec.further(args); further > 0) positions.push_back(further);
  }
  if (spec.count_at > 0 && spec.count_at < count) {
    const auto keys = ParseInt64(args[spec.count_at]);
    if (!keys || *keys < 0 || *keys > count - spec.count_at - 1) return positions;
    for (int i = 1; i <= *keys; ++i) positions.push_back(spec.count_at + i);
  }
  return positions;
}

}  // namespace chorale
