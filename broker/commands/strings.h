// Strings: what the files of the family share. Their rows are at the end of strings.cc.

#pragma once

#include <cstdint>
#include <string_view>

#include "broker/command.h"
#include "broker/commands/arguments.h"

namespace chorale {

// string_expiry.cc
void SetCommand(CommandContext& ctx);
void SetNx(CommandContext& ctx);
void SetEx(CommandContext& ctx);
void PSetEx(CommandContext& ctx);
void GetEx(CommandContext& ctx);

// string_numbers.cc
void Incr(CommandContext& ctx);
void Decr(CommandContext& ctx);
void IncrBy(CommandContext& ctx);
void DecrBy(CommandContext& ctx);
void IncrByFloat(CommandContext& ctx);

// lcs.cc
void Lcs(CommandContext& ctx);

// Writes the value of a string key, null when it does not exist, the error when it is no string.
enum class GetOutcome { kValue, kAbsent, kWrongType };
GetOutcome WriteValue(CommandContext& ctx, std::string_view key);

// The string at `key` to look at, counted as a hit or a miss. False after a wrong type, which is
// answered. A missing key reads as no bytes, with a null entry.
struct StringLook {
  const Entry* entry = nullptr;
  std::string_view bytes;
  IntegerText scratch;
};
[[nodiscard]] bool LookAtString(CommandContext& ctx, std::string_view key, StringLook* look);

// False, with the error written, when a string of `size` bytes would be larger than
// proto-max-bulk-len allows.
[[nodiscard]] bool SizeAllowed(CommandContext& ctx, uint64_t size);

// Redis's rule for the range of bytes or bits of GETRANGE, BITCOUNT and BITPOS: like ClampRange,
// but a last index that lies before the string means its first byte.
[[nodiscard]] IndexRange ClampStringRange(int64_t first, int64_t last, uint64_t size);
// Counted from the end and the wrong way round, which GETRANGE and BITCOUNT take for empty before
// they clamp, and BITPOS does not.
[[nodiscard]] inline bool IsReversed(int64_t first, int64_t last) {
  return first < 0 && last < 0 && first > last;
}

}  // namespace chorale
