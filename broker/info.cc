#include "broker/info.h"

#include <algorithm>

#include "broker/info_sections.h"

namespace chorale {
namespace {

struct Section {
  std::string_view name;
  bool by_default;
  void (*write)(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
};

constexpr Section kSections[] = {
    {"server", true, &WriteServerInfo},
    {"clients", true, &WriteClientsInfo},
    {"memory", true, &WriteMemoryInfo},
    {"persistence", true, &WritePersistenceInfo},
    {"stats", true, &WriteStatsInfo},
    {"replication", true, &WriteReplicationInfo},
    {"cpu", true, &WriteCpuInfo},
    {"modules", true, &WriteModulesInfo},
    {"commandstats", false, &WriteCommandStatsInfo},
    {"errorstats", true, &WriteErrorStatsInfo},
    {"cluster", true, &WriteClusterInfo},
    {"keyspace", true, &WriteKeyspaceInfo},
};

int64_t AverageTtl(LockedKeys& keys, int db) {
  constexpr size_t kSampledPerShard = 16;
  int64_t sum = 0;
  int64_t count = 0;
  for (int shard = 0; shard < Store::kShardCount; ++shard) {
    const Database& database = keys.DatabaseIn(shard, db);
    const size_t sampled = std::min(database.expiring(), kSampledPerShard);
    for (size_t i = 0; i < sampled; ++i) {
      sum += std::max<int64_t>(0, database.ExpiryAt(i) - keys.now_ms());
      ++count;
    }
  }
  return count == 0 ? 0 : sum / count;
}

}  // namespace

KeyspaceSummary SummarizeKeyspace(LockedKeys& keys) {
  KeyspaceSummary summary;
  summary.totals = keys.totals();
  for (int db = 0; db < keys.store().database_count(); ++db) {
    summary.databases.push_back({keys.Size(db), keys.Expiring(db), AverageTtl(keys, db)});
  }
  return summary;
}

std::string InfoText(Server& server, const KeyspaceSummary& keyspace,
                     std::vector<std::string_view> sections) {
  if (sections.empty()) sections.push_back("default");
  const auto wanted = [&](std::string_view name) {
    return std::find(sections.begin(), sections.end(), name) != sections.end();
  };
  InfoWriter out;
  for (const Section& section : kSections) {
    if (wanted(section.name) || wanted("all") || wanted("everything") ||
        (section.by_default && wanted("default"))) {
      section.write(out, server, keyspace);
    }
  }
  return out.Take();
}

}  // namespace chorale
