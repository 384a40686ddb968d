// What an RDB file held, for the one who imports it.

#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace chorale {

struct RdbSummary {
  int version = 0;
  std::string redis_version;  // Of the server that wrote the file; empty when it does not say.
  // How many keys went to the sink, by the name of their type.
  std::map<std::string, uint64_t> keys;
  uint64_t expired_keys = 0;         // Left out: their time was over.
  uint64_t expired_hash_fields = 0;  // The same of fields with a time of their own.
  // What Chorale has not, and how often: "stream", "module type NAME", "function library", ...
  std::map<std::string, uint64_t> skipped;
};

// Fields of hashes that have become ordinary ones, which never expire.
inline constexpr char kSkippedFieldExpiry[] = "hash field expiry";

// A few lines of text, each with its line end.
[[nodiscard]] std::string FormatRdbSummary(const RdbSummary& summary);

}  // namespace chorale
