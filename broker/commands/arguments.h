// Reads the arguments that many commands share. A function that returns nullopt or false has
// written the error, and the handler returns.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/command.h"
#include "broker/commands/errors.h"

namespace chorale {

inline constexpr std::string_view kMustBePositive = "ERR value is out of range, must be positive";
inline constexpr std::string_view kValueOutOfRange = "ERR value is out of range";

// Whether the argument is this word, given in upper case, in any letter case.
[[nodiscard]] bool IsWord(std::string_view argument, std::string_view upper_case);

[[nodiscard]] std::optional<int64_t> ReadInteger(CommandContext& ctx, size_t index,
                                                 std::string_view error = kNotAnInteger);
// Not below `least`; `error` is the same for what is no number.
[[nodiscard]] std::optional<int64_t> ReadAtLeast(CommandContext& ctx, size_t index, int64_t least,
                                                 std::string_view error);
// A count whose sign means "with repetition"; the most negative number is refused.
[[nodiscard]] std::optional<int64_t> ReadSignedCount(CommandContext& ctx, size_t index);
[[nodiscard]] std::optional<double> ReadDouble(CommandContext& ctx, size_t index,
                                               std::string_view error = kNotAFloat);

// A number of keys at `index` and the keys behind it. `too_many` is the error when there are not
// that many arguments left.
[[nodiscard]] std::optional<Arguments> ReadCountedKeys(CommandContext& ctx, size_t index,
                                                       std::string_view too_many = kSyntaxError);

// The optional COUNT of LMPOP, ZMPOP and their blocking forms at `index`, behind which nothing
// follows; 1 without it.
[[nodiscard]] std::optional<size_t> ReadPopCount(CommandContext& ctx, size_t index);

// Redis's rule for the indexes of a range: negative ones count from the end, and the result is cut
// to what is there. `last` is included; the result's end is not.
struct IndexRange {
  size_t begin = 0;
  size_t end = 0;
};
[[nodiscard]] IndexRange ClampRange(int64_t first, int64_t last, size_t size);

// The options of SCAN, HSCAN, SSCAN and ZSCAN.
struct ScanOptions {
  uint64_t cursor = 0;
  size_t count = 10;
  std::optional<std::string_view> pattern;
  bool no_values = false;
  bool Matches(std::string_view text) const;
};
[[nodiscard]] std::optional<uint64_t> ReadCursor(CommandContext& ctx, size_t index);
// Reads MATCH, COUNT and, if it is allowed, NOVALUES from argument `index` on; TYPE, too, where
// `type` is given.
[[nodiscard]] bool ReadScanOptions(CommandContext& ctx, size_t index, bool allow_no_values,
                                   ScanOptions* options,
                                   std::optional<std::string_view>* type = nullptr);
// The reply of a scan: the next cursor and an array of `count` elements, written already.
void WriteScanReply(ReplyWriter& reply, uint64_t cursor, size_t count, std::string_view elements);

}  // namespace chorale
