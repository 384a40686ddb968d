// Keys, whatever they hold: https://redis.io/docs/latest/commands/?group=generic

#include <algorithm>
#include <optional>

#include "broker/commands/arguments.h"
#include "broker/commands/databases.h"

namespace chorale {
namespace {

constexpr std::string_view kSameObject = "ERR source and destination objects are the same";

void Type(CommandContext& ctx) {
  const Entry* entry = ctx.keys.Peek(ctx.db, ctx.arg(1));
  ctx.reply.SimpleString(entry == nullptr ? "none" : ValueTypeName(entry->type()));
}

void Delete(CommandContext& ctx) {
  int64_t deleted = 0;
  for (const std::string_view key : ctx.args.subspan(1)) {
    deleted += ctx.keys.Delete(ctx.db, key);
  }
  ctx.reply.Integer(deleted);
}

void Unlink(CommandContext& ctx) {
  int64_t deleted = 0;
  for (const std::string_view key : ctx.args.subspan(1)) {
    deleted += ctx.keys.Unlink(ctx.db, key);
  }
  ctx.reply.Integer(deleted);
}

void Exists(CommandContext& ctx) {
  int64_t found = 0;
  for (const std::string_view key : ctx.args.subspan(1)) {
    found += ctx.keys.Peek(ctx.db, key) != nullptr;
  }
  ctx.reply.Integer(found);
}

// Counts as using the keys even for a client that said CLIENT NO-TOUCH.
void Touch(CommandContext& ctx) {
  int64_t found = 0;
  for (const std::string_view key : ctx.args.subspan(1)) {
    Entry* entry = ctx.keys.Peek(ctx.db, key);
    if (entry == nullptr) continue;
    entry->set_used_at_s(static_cast<uint32_t>(ctx.now_ms() / 1000));
    ++found;
  }
  ctx.reply.Integer(found);
}

void Rename(CommandContext& ctx) {
  const std::string_view from = ctx.arg(1);
  const std::string_view to = ctx.arg(2);
  if (!ctx.keys.Exists(ctx.db, from)) {
    ctx.reply.Error(kNoSuchKey);
    return;
  }
  if (from != to) ctx.keys.Move(ctx.db, from, ctx.db, to);
  ctx.reply.Ok();
}

void RenameNx(CommandContext& ctx) {
  const std::string_view from = ctx.arg(1);
  const std::string_view to = ctx.arg(2);
  if (!ctx.keys.Exists(ctx.db, from)) {
    ctx.reply.Error(kNoSuchKey);
    return;
  }
  const bool free = !ctx.keys.Exists(ctx.db, to);
  if (free) ctx.keys.Move(ctx.db, from, ctx.db, to);
  ctx.reply.Integer(free);
}

void Move(CommandContext& ctx) {
  const std::string_view key = ctx.arg(1);
  const auto to_db = ReadDatabase(ctx, 2);
  if (!to_db) return;
  if (*to_db == ctx.db) {
    ctx.reply.Error(kSameObject);
    return;
  }
  const bool moves = ctx.keys.Exists(ctx.db, key) && !ctx.keys.Exists(*to_db, key);
  if (moves) ctx.keys.Move(ctx.db, key, *to_db, key);
  ctx.reply.Integer(moves);
}

struct CopyOptions {
  int to_db;
  bool replace = false;
};

bool ReadCopyOptions(CommandContext& ctx, CopyOptions* options) {
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (IsWord(ctx.arg(i), "REPLACE")) {
      options->replace = true;
    } else if (IsWord(ctx.arg(i), "DB") && i + 1 < ctx.args.size()) {
      const auto db = ReadDatabase(ctx, ++i);
      if (!db) return false;
      options->to_db = *db;
    } else {
      ctx.reply.Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

void Copy(CommandContext& ctx) {
  const std::string_view from = ctx.arg(1);
  const std::string_view to = ctx.arg(2);
  CopyOptions options{.to_db = ctx.db};
  if (!ReadCopyOptions(ctx, &options)) return;
  if (options.to_db == ctx.db && from == to) {
    ctx.reply.Error(kSameObject);
    return;
  }
  const Entry* entry = ctx.keys.Lookup(ctx.db, from);
  const bool copies = entry != nullptr && (options.replace || !ctx.keys.Exists(options.to_db, to));
  if (copies) {
    const int64_t expiry = ctx.keys.Expiry(ctx.db, entry);
    Entry* copy = ctx.keys.Put(options.to_db, entry->Clone(to));
    if (expiry != Database::kNever) ctx.keys.SetExpiry(options.to_db, copy, expiry);
  }
  ctx.reply.Integer(copies);
}

// ---- OBJECT ----

// The key's entry; nullptr, with null written, when it does not exist.
const Entry* FindObject(CommandContext& ctx) {
  const Entry* entry = ctx.keys.Peek(ctx.db, ctx.arg(2));
  if (entry == nullptr) ctx.reply.Null();
  return entry;
}

void ObjectEncoding(CommandContext& ctx) {
  if (const Entry* entry = FindObject(ctx)) ctx.reply.Bulk(entry->encoding());
}

void ObjectRefCount(CommandContext& ctx) {
  if (FindObject(ctx) != nullptr) ctx.reply.Integer(1);
}

void ObjectIdleTime(CommandContext& ctx) {
  if (const Entry* entry = FindObject(ctx)) {
    // The clock may have been set back.
    ctx.reply.Integer(std::max<int64_t>(ctx.now_ms() / 1000 - entry->used_at_s(), 0));
  }
}

void ObjectFreq(CommandContext& ctx) {
  if (FindObject(ctx) == nullptr) return;
  ctx.reply.Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void ObjectHelp(CommandContext& ctx) {
  constexpr std::string_view kLines[] = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    How the value of <key> is kept in memory.",
      "FREQ <key>",
      "    How often <key> is used; needs an LFU policy.",
      "IDLETIME <key>",
      "    Seconds since <key> was last used.",
      "REFCOUNT <key>",
      "    References to the value of <key>: always 1.",
      "HELP",
      "    This text.",
  };
  ctx.reply.ArrayHeader(std::size(kLines));
  for (const std::string_view line : kLines) ctx.reply.SimpleString(line);
}

constexpr KeySpec kObjectKey{2, 2, 1};
constexpr uint32_t kInspects = kKeyspace | kCatRead | kCatSlow;
constexpr uint32_t kReads = kKeyspace | kCatRead | kCatFast;
constexpr uint32_t kWrites = kKeyspace | kCatWrite;

constexpr Command kObjectSubcommands[] = {
    {"encoding", 3, kReadOnly, kObjectKey, kInspects, &ObjectEncoding, "generic", "2.2.3",
     "Tells how the value of a key is kept in memory."},
    {"freq", 3, kReadOnly, kObjectKey, kInspects, &ObjectFreq, "generic", "4.0.0",
     "Tells how often a key is used."},
    {"help", 2, kLoading | kStale, kNoKeys, kKeyspace | kCatSlow, &ObjectHelp, "generic", "6.2.0",
     "Describes the subcommands."},
    {"idletime", 3, kReadOnly, kObjectKey, kInspects, &ObjectIdleTime, "generic", "2.2.3",
     "Returns the seconds since a key was last used."},
    {"refcount", 3, kReadOnly, kObjectKey, kInspects, &ObjectRefCount, "generic", "2.2.3",
     "Returns the number of references to the value of a key."},
};

constexpr Command kCommands[] = {
    {"copy", -3, kWrite | kDenyOom, kFirstTwoKeys, kWrites | kCatSlow, &Copy, "generic", "6.2.0",
     "Copies the value of a key to another key, or to another database."},
    {"del", -2, kWrite, kKeysToEnd, kWrites | kCatSlow, &Delete, "generic", "1.0.0",
     "Deletes keys."},
    {"exists", -2, kReadOnly | kFast, kKeysToEnd, kReads, &Exists, "generic", "1.0.0",
     "Counts those of the keys named that exist."},
    {"move", 3, kWrite | kFast, kFirstKey, kWrites | kCatFast, &Move, "generic", "1.0.0",
     "Moves a key to another database."},
    {"object", -2, 0, kNoKeys, kCatSlow, nullptr, "generic", "2.2.3",
     "A container for commands that look at how a key is kept.", kObjectSubcommands},
    {"rename", 3, kWrite, kFirstTwoKeys, kWrites | kCatSlow, &Rename, "generic", "1.0.0",
     "Gives a key another name, replacing the key that had it."},
    {"renamenx", 3, kWrite | kFast, kFirstTwoKeys, kWrites | kCatFast, &RenameNx, "generic",
     "1.0.0", "Gives a key another name if no key has it."},
    {"touch", -2, kReadOnly | kFast, kKeysToEnd, kReads, &Touch, "generic", "3.2.1",
     "Counts those of the keys named that exist, and notes that they were used."},
    {"type", 2, kReadOnly | kFast, kFirstKey, kReads, &Type, "generic", "1.0.0",
     "Returns the type of the value of a key."},
    {"unlink", -2, kWrite | kFast, kKeysToEnd, kWrites | kCatFast, &Unlink, "generic", "4.0.0",
     "Deletes keys; frees their values when nobody has to wait for it."},
};

}  // namespace

std::span<const Command> KeyCommands() { return kCommands; }

}  // namespace chorale
