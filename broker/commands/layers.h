// What the commands of the native channel layer share; protocol/README.md is their reference. A
// function that returns nullptr, nullopt or false has written the error.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/command.h"
#include "storage/layers/layer.h"
#include "storage/store.h"

namespace chorale {

// Messages are held back from the disk for a moment, each by itself: they cannot be part of a
// transaction.
inline constexpr uint32_t kLayerCommand = kNoScript | kNoMulti;

// The shards of the general channels that a CHANNEL command names.
[[nodiscard]] ShardMask ShardsForChannels(Arguments args);

// Whether argument 1 is the name of a layer.
[[nodiscard]] bool CheckLayer(CommandContext& ctx);
// The layer that argument 1 names; made if there is none. A command that only reads looks it up, so
// that a name that was mistyped costs nothing.
[[nodiscard]] std::shared_ptr<Layer> ReadLayer(CommandContext& ctx);
[[nodiscard]] bool CheckChannel(CommandContext& ctx, std::string_view name);
[[nodiscard]] bool CheckGroup(CommandContext& ctx, std::string_view name);
[[nodiscard]] bool CheckMessage(CommandContext& ctx, std::string_view message);

// The argument as a capacity.
[[nodiscard]] std::optional<int64_t> ReadCapacity(CommandContext& ctx, size_t index);

// Puts a message into the queue of a general channel, whose shard the token holds. False if it is
// full.
[[nodiscard]] bool PushToQueue(LockedKeys& keys, Layer& layer, std::string_view channel,
                               std::string_view message, const LayerPolicy& policy);

}  // namespace chorale
