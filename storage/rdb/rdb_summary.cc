#include "storage/rdb/rdb_summary.h"

#include "absl/strings/str_cat.h"

namespace chorale {

std::string FormatRdbSummary(const RdbSummary& summary) {
  std::string text = absl::StrCat("RDB version ", summary.version);
  if (!summary.redis_version.empty()) {
    absl::StrAppend(&text, ", written by Redis ", summary.redis_version);
  }
  uint64_t all = 0;
  for (const auto& [type, count] : summary.keys) all += count;
  absl::StrAppend(&text, "\nimported keys: ", all, "\n");
  for (const auto& [type, count] : summary.keys) {
    absl::StrAppend(&text, "  ", type, ": ", count, "\n");
  }
  if (summary.expired_keys > 0) {
    absl::StrAppend(&text, "left out, expired keys: ", summary.expired_keys, "\n");
  }
  if (summary.expired_hash_fields > 0) {
    absl::StrAppend(&text, "left out, expired hash fields: ", summary.expired_hash_fields, "\n");
  }
  for (const auto& [what, count] : summary.skipped) {
    absl::StrAppend(&text, "skipped, ", what, ": ", count,
                    what == kSkippedFieldExpiry ? " (the fields are kept and never expire)" : "",
                    "\n");
  }
  return text;
}

}  // namespace chorale
