// Bitmaps: what the files of the family share. Their rows are at the end of bitmaps.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/command.h"

namespace chorale {

// bitfield.cc
void BitField(CommandContext& ctx);
void BitFieldReadOnly(CommandContext& ctx);

// The offset of a bit. With a `width`, "#n" means the n-th field of that many bits. Writes the
// error and returns nullopt when it is no number, negative or beyond proto-max-bulk-len.
[[nodiscard]] std::optional<uint64_t> ReadBitOffset(CommandContext& ctx, size_t index,
                                                    unsigned width = 0);

// False, with the error written, when the key holds another type than a string.
[[nodiscard]] bool IsStringOrAbsent(CommandContext& ctx, std::string_view key);

// The bytes at the key to change, continued with zeros as far as bit `last`.
[[nodiscard]] std::string& EditBits(CommandContext& ctx, std::string_view key, uint64_t last);

}  // namespace chorale
