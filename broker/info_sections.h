// The sections of INFO: each function writes one, title included. Any thread.

#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "broker/info.h"

namespace chorale {

// "# Title", and below it one "name:value" per line.
class InfoWriter {
 public:
  void Title(std::string_view title) {
    fmt::format_to(std::back_inserter(text_), "{}# {}\r\n", text_.empty() ? "" : "\r\n", title);
  }
  template <typename T>
  void Field(std::string_view name, const T& value) {
    fmt::format_to(std::back_inserter(text_), "{}:{}\r\n", name, value);
  }
  // A number of bytes, and again with "_human" in the form that Redis shows to people.
  void Bytes(std::string_view name, uint64_t bytes);
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

// "1.50M": bytes for people.
[[nodiscard]] std::string HumanBytes(uint64_t bytes);

void WriteServerInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteClientsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteMemoryInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WritePersistenceInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteStatsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteReplicationInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteCpuInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteModulesInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteCommandStatsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteErrorStatsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteClusterInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);
void WriteKeyspaceInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace);

}  // namespace chorale
