#include "broker/commands/key_access.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "broker/command_table.h"
#include "broker/commands/arguments.h"

namespace chorale {
namespace {

constexpr std::string_view kLook = "RO";  // at metadata: a length, an existence
constexpr std::string_view kRead = "RO access";
constexpr std::string_view kChange = "RW update";
constexpr std::string_view kReadAndChange = "RW access update";
constexpr std::string_view kReadChangeOrOverwrite = "RW access update variable_flags";
constexpr std::string_view kInsert = "RW insert";
constexpr std::string_view kDelete = "RW delete";
constexpr std::string_view kPop = "RW access delete";
constexpr std::string_view kOverwrite = "OW update";
constexpr std::string_view kCreate = "OW insert";
constexpr std::string_view kRemove = "RM delete";

using Exceptions = absl::flat_hash_map<std::string_view, KeyAccess>;

void AddAll(Exceptions& table, std::initializer_list<std::string_view> names, KeyAccess access) {
  for (const std::string_view name : names) table.emplace(name, access);
}

// Commands for which reading or changing, as their flags say, is not the whole truth.
const Exceptions& GetExceptions() {
  static const Exceptions kTable = [] {
    Exceptions table;
    AddAll(table,
           {"exists", "hexists", "hlen", "hstrlen", "llen", "memory|usage", "object|encoding",
            "object|freq", "object|idletime", "object|refcount", "scard", "sismember", "strlen",
            "touch", "type", "watch", "xlen", "zcard"},
           {kLook, kLook});
    AddAll(table, {"setnx", "msetnx"}, {kCreate, kCreate});
    // Its GET option makes it read.
    table.emplace("set", KeyAccess{kReadChangeOrOverwrite, kReadChangeOrOverwrite});
    AddAll(table, {"mset", "psetex", "setex", "restore"}, {kOverwrite, kOverwrite});
    AddAll(table,
           {"bitop", "sdiffstore", "sunionstore", "zdiffstore", "zinterstore", "zrangestore",
            "zunionstore"},
           {kOverwrite, kRead});
    table.emplace("sinterstore", KeyAccess{kChange, kRead});
    table.emplace("copy", KeyAccess{kRead, kOverwrite});
    table.emplace("sort", KeyAccess{kRead, kOverwrite});
    table.emplace("rename", KeyAccess{kPop, kOverwrite});
    table.emplace("renamenx", KeyAccess{kPop, kCreate});
    AddAll(table, {"blmove", "lmove", "brpoplpush", "rpoplpush", "smove"}, {kPop, kInsert});
    AddAll(table, {"del", "unlink"}, {kRemove, kRemove});
    AddAll(table,
           {"blmpop", "blpop", "brpop", "bzmpop", "bzpopmax", "bzpopmin", "getdel", "lmpop", "lpop",
            "rpop", "spop", "zmpop", "zpopmax", "zpopmin"},
           {kPop, kPop});
    AddAll(table,
           {"hdel", "lrem", "ltrim", "srem", "xdel", "xtrim", "zrem", "zremrangebylex",
            "zremrangebyrank", "zremrangebyscore"},
           {kDelete, kDelete});
    AddAll(table, {"append", "hsetnx", "linsert", "lpush", "lpushx", "rpush", "rpushx", "sadd"},
           {kInsert, kInsert});
    AddAll(table,
           {"expire", "expireat", "hmset", "hset", "lset", "persist", "pexpire", "pexpireat",
            "setrange", "xadd", "zadd"},
           {kChange, kChange});
    AddAll(table, {"spublish", "ssubscribe", "sunsubscribe"}, {"not_key", "not_key"});
    return table;
  }();
  return kTable;
}

}  // namespace

KeyAccess KeyAccessOf(const Command& command) {
  const auto found = GetExceptions().find(FullName(command));
  if (found != GetExceptions().end()) return found->second;
  return command.has(kReadOnly) ? KeyAccess{kRead, kRead}
                                : KeyAccess{kReadAndChange, kReadAndChange};
}

KeyAccess KeyAccessOf(const Command& command, Arguments args) {
  const KeyAccess access = KeyAccessOf(command);
  if (access.first != kReadChangeOrOverwrite) return access;
  const bool returns_old =
      args.size() > 3 && std::any_of(args.begin() + 3, args.end(),
                                     [](std::string_view arg) { return IsWord(arg, "GET"); });
  return returns_old ? KeyAccess{kReadAndChange, kReadAndChange}
                     : KeyAccess{kOverwrite, kOverwrite};
}

}  // namespace chorale
