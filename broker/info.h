// The text of INFO, in the sections and with the names of Redis, so that exporters and clients find
// what they know. https://redis.io/docs/latest/commands/info/

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/locked_keys.h"

namespace chorale {

class Server;

// What INFO says about the keys.
struct KeyspaceSummary {
  struct Database {
    size_t keys = 0, expiring = 0;
    int64_t average_ttl_ms = 0;  // of a sample of the expiring ones
  };
  std::vector<Database> databases;
  LockedKeys::Totals totals;
};
// The token holds every shard.
[[nodiscard]] KeyspaceSummary SummarizeKeyspace(LockedKeys& keys);

// The sections named, in any letter case ("server", "default", "all", "everything"); the default
// ones when none is named. A name that is not known adds nothing. Any thread.
[[nodiscard]] std::string InfoText(Server& server, const KeyspaceSummary& keyspace,
                                   std::vector<std::string_view> sections);

}  // namespace chorale
