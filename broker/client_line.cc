#include "broker/client_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "broker/command_table.h"
#include "broker/commands/arguments.h"
#include "broker/io_thread.h"

namespace chorale {
namespace {

// What a client takes besides its buffers.
constexpr uint64_t kBytesPerClient = 2048;

std::string Flags(const ClientInfo& info) {
  std::string flags;
  if (info.monitor) flags += 'O';
  if (TypeOf(info) == ClientType::kPubSub) flags += 'P';
  if (info.queued >= 0) flags += 'x';
  if (info.blocked) flags += 'b';
  if (info.close_asap) flags += 'A';
  if (info.unix_socket) flags += 'U';
  if (info.no_evict) flags += 'e';
  if (info.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

}  // namespace

ClientType TypeOf(const ClientInfo& info) {
  const bool subscribed = info.channels > 0 || info.patterns > 0 || info.shard_channels > 0;
  return subscribed ? ClientType::kPubSub : ClientType::kNormal;
}

std::optional<ClientType> ParseClientType(std::string_view name) {
  if (IsWord(name, "NORMAL")) return ClientType::kNormal;
  if (IsWord(name, "MASTER")) return ClientType::kMaster;
  if (IsWord(name, "SLAVE") || IsWord(name, "REPLICA")) return ClientType::kReplica;
  if (IsWord(name, "PUBSUB")) return ClientType::kPubSub;
  return std::nullopt;
}

std::string ClientLine(const ClientInfo& info, int64_t now_ms) {
  const Command* command = info.last_command.load();
  const auto [library, library_version] = info.library();
  const uint64_t input = info.input_bytes;
  const uint64_t output = info.output_bytes;
  std::string line = fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} "
      "multi={} watch={}",
      info.id, info.address, info.local_address, info.descriptor, info.name(),
      std::max<int64_t>(0, now_ms - info.connected_at_ms) / 1000,
      std::max<int64_t>(0, now_ms - info.last_interaction_ms) / 1000, Flags(info), info.db.load(),
      info.channels.load(), info.patterns.load(), info.shard_channels.load(), info.queued.load(),
      info.watched.load());
  fmt::format_to(std::back_inserter(line),
                 " qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll={} omem={} "
                 "tot-mem={} events={} cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={} "
                 "io-thread={}\n",
                 input, output > 0 ? 1 : 0, output, kBytesPerClient + input + output,
                 output > 0 ? "rw" : "r", command == nullptr ? "NULL" : FullName(*command),
                 info.protocol.load(), library, library_version, info.thread->index());
  return line;
}

}  // namespace chorale
