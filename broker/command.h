// A command's row: everything that the broker knows about it. Dispatch, locking, MULTI, scripts,
// COMMAND and ACL categories all read this row; no code compares command names.
//
// Adding a command: write its handler in the file of its family under broker/commands/, add its row
// at the end of that file, and its tests.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/reply_writer.h"
#include "storage/locked_keys.h"

namespace chorale {

struct Client;
class IoThread;
class Server;
struct Command;

using Arguments = std::span<const std::string_view>;

// What a handler gets. It parses its arguments, makes its store calls and writes exactly one reply
// (none if it blocked the client). Runs on the thread of the client, with the shards of the
// command's keys locked.
struct CommandContext {
  Server& server;
  IoThread& thread;
  Client& client;
  const Command& command;
  Arguments args;  // args[0] is the command's name as the client wrote it
  LockedKeys& keys;
  ReplyWriter& reply;
  int& db;  // the selected database; of the client, or of the script
  enum class Origin : uint8_t { kClient, kExec, kScript } origin = Origin::kClient;

  // A blocking command may wait here; inside EXEC and scripts it answers at once.
  bool may_block() const { return origin == Origin::kClient; }
  int64_t now_ms() const { return keys.now_ms(); }
  std::string_view arg(size_t i) const { return args[i]; }
};

using Handler = void (*)(CommandContext&);

enum CommandFlag : uint32_t {
  kWrite = 1u << 0,
  kReadOnly = 1u << 1,
  kDenyOom = 1u << 2,  // refused when maxmemory is reached
  kAdmin = 1u << 3,
  kPubSub = 1u << 4,
  kNoScript = 1u << 5,  // not from scripts
  kBlocking = 1u << 6,
  kLoading = 1u << 7,  // allowed while the data is restored
  kStale = 1u << 8,
  kSkipMonitor = 1u << 9,
  kSkipSlowlog = 1u << 10,
  kFast = 1u << 11,
  kNoAuth = 1u << 12,   // allowed before authentication
  kNoMulti = 1u << 13,  // refused between MULTI and EXEC
  kMovableKeys = 1u << 14,
  kAllowBusy = 1u << 15,  // runs while a script is past its time
  // How dispatch treats the command; not shown by COMMAND.
  kAllShards = 1u << 20,        // holds every shard
  kInTransaction = 1u << 21,    // runs at once between MULTI and EXEC instead of being queued
  kInSubscribeMode = 1u << 22,  // allowed to a RESP2 client that has subscriptions
  kExec = 1u << 23,             // holds the shards of the queued and of the watched keys
  kMayWrite = 1u << 24,         // counts as a write for CLIENT PAUSE and for read-only scripts
  kSecretArguments = 1u << 25,  // monitors and the slow log show none of its arguments
  kChannelQueues = 1u << 26,    // holds the shards of the general channels that it names
  kScriptSource = 1u << 27,     // holds the shards that the script in argument 1 needs
  kScriptDigest = 1u << 28,     // the same of the script whose SHA-1 is argument 1
  kProtected = 1u << 29,        // refused unless enable-debug-command allows it
  kRunsScript = kScriptSource | kScriptDigest,
};

// ACL categories, for COMMAND INFO.
enum Category : uint32_t {
  kKeyspace = 1u << 0,
  kCatRead = 1u << 1,
  kCatWrite = 1u << 2,
  kCatSet = 1u << 3,
  kCatSortedSet = 1u << 4,
  kCatList = 1u << 5,
  kCatHash = 1u << 6,
  kCatString = 1u << 7,
  kCatBitmap = 1u << 8,
  kCatPubSub = 1u << 9,
  kCatAdmin = 1u << 10,
  kCatFast = 1u << 11,
  kCatSlow = 1u << 12,
  kCatBlocking = 1u << 13,
  kCatDangerous = 1u << 14,
  kCatConnection = 1u << 15,
  kCatTransaction = 1u << 16,
  kCatScripting = 1u << 17,
};

// Where the keys are among the arguments.
struct KeySpec {
  // A range: from argument `first` to `last` (negative: from the end), every `step`-th.
  int first = 0;
  int last = 0;
  int step = 0;
  // And/or a counted list: argument `count_at` is the number of keys that follow it.
  int count_at = 0;
  // And/or one more key that only the other arguments tell: its position, or 0. For commands that
  // hold every shard.
  int (*further)(Arguments args) = nullptr;
};

inline constexpr KeySpec kNoKeys{};
inline constexpr KeySpec kFirstKey{1, 1, 1};
inline constexpr KeySpec kFirstTwoKeys{1, 2, 1};
inline constexpr KeySpec kKeysToEnd{1, -1, 1};

struct Command {
  std::string_view name;  // lower case; of a subcommand: its own word
  int arity;              // with the name(s); negative: at least that many
  uint32_t flags;
  KeySpec keys;
  uint32_t categories;
  Handler handler;
  std::string_view group;    // as in COMMAND DOCS: "string", "generic", "server" ...
  std::string_view since;    // the Redis version that brought it
  std::string_view summary;  // our own words
  std::span<const Command> subcommands = {};
  // Filled in by the command table.
  std::string_view parent = {};  // of a subcommand: the container's name
  size_t id = 0;                 // position in AllRows(), for statistics

  bool is_subcommand() const { return !parent.empty(); }
  // One of these, at least.
  bool has(uint32_t any) const { return (flags & any) != 0; }
};

// The rows of each family; command_table.cc joins them.
std::span<const Command> StringCommands();
std::span<const Command> BitmapCommands();
std::span<const Command> KeyCommands();
std::span<const Command> ExpiryCommands();
std::span<const Command> DatabaseCommands();
std::span<const Command> ScanCommands();
std::span<const Command> SortCommands();
std::span<const Command> ListCommands();
std::span<const Command> HashCommands();
std::span<const Command> SetCommands();
std::span<const Command> SortedSetCommands();
std::span<const Command> PubSubCommands();
std::span<const Command> LayerCommands();
std::span<const Command> ChannelCommands();
std::span<const Command> MailboxCommands();
std::span<const Command> GroupCommands();
std::span<const Command> TransactionCommands();
std::span<const Command> ScriptingCommands();
std::span<const Command> ConnectionCommands();
std::span<const Command> ClientCommands();
std::span<const Command> ServerCommands();
std::span<const Command> PersistenceCommands();
std::span<const Command> IntrospectionCommands();
std::span<const Command> ConfigCommands();
std::span<const Command> InfoCommands();
std::span<const Command> DiagnosticsCommands();
std::span<const Command> ReplicationCommands();
std::span<const Command> AccessCommands();

}  // namespace chorale
