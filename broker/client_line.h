// A client as CLIENT LIST and CLIENT INFO show it. Thread-safe.
// https://redis.io/docs/latest/commands/client-list/

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/client.h"

namespace chorale {

// One line with "\n" at its end; durations are counted up to `now_ms`.
[[nodiscard]] std::string ClientLine(const ClientInfo& info, int64_t now_ms);

// The classes of CLIENT LIST TYPE and CLIENT KILL TYPE.
enum class ClientType : uint8_t { kNormal, kMaster, kReplica, kPubSub };
[[nodiscard]] ClientType TypeOf(const ClientInfo& info);
[[nodiscard]] std::optional<ClientType> ParseClientType(std::string_view name);

}  // namespace chorale
