#include "broker/commands/arguments.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "protocol/numbers.h"
#include "storage/glob.h"

namespace chorale {

bool IsWord(std::string_view argument, std::string_view upper_case) {
  return argument.size() == upper_case.size() &&
         std::equal(argument.begin(), argument.end(), upper_case.begin(), [](char a, char b) {
           return absl::ascii_toupper(static_cast<unsigned char>(a)) == b;
         });
}

std::optional<int64_t> ReadInteger(CommandContext& ctx, size_t index, std::string_view error) {
  const auto value = ParseInt64(ctx.arg(index));
  if (!value) ctx.reply.Error(error);
  return value;
}

std::optional<int64_t> ReadAtLeast(CommandContext& ctx, size_t index, int64_t least,
                                   std::string_view error) {
  const auto value = ParseInt64(ctx.arg(index));
  if (value && *value >= least) return value;
  ctx.reply.Error(error);
  return std::nullopt;
}

std::optional<int64_t> ReadSignedCount(CommandContext& ctx, size_t index) {
  const auto value = ReadInteger(ctx, index);
  if (!value || *value != std::numeric_limits<int64_t>::min()) return value;
  ctx.reply.Error(
      "ERR value is out of range, value must between -9223372036854775807 and "
      "9223372036854775807");
  return std::nullopt;
}

std::optional<double> ReadDouble(CommandContext& ctx, size_t index, std::string_view error) {
  const auto value = ParseDouble(ctx.arg(index));
  if (!value) ctx.reply.Error(error);
  return value;
}

std::optional<Arguments> ReadCountedKeys(CommandContext& ctx, size_t index,
                                         std::string_view too_many) {
  const auto count = ReadAtLeast(ctx, index, 1, "ERR numkeys should be greater than 0");
  if (!count) return std::nullopt;
  const size_t left = ctx.args.size() - index - 1;
  if (static_cast<uint64_t>(*count) > left) {
    ctx.reply.Error(too_many);
    return std::nullopt;
  }
  return ctx.args.subspan(index + 1, static_cast<size_t>(*count));
}

std::optional<size_t> ReadPopCount(CommandContext& ctx, size_t index) {
  if (index == ctx.args.size()) return 1;
  std::optional<int64_t> count;
  if (index + 1 < ctx.args.size() && IsWord(ctx.arg(index), "COUNT")) {
    count = ReadAtLeast(ctx, index + 1, 1, "ERR count should be greater than 0");
    if (!count) return std::nullopt;
  }
  if (!count || index + 2 != ctx.args.size()) {
    ctx.reply.Error(kSyntaxError);
    return std::nullopt;
  }
  return static_cast<size_t>(*count);
}

IndexRange ClampRange(int64_t first, int64_t last, size_t size) {
  const auto length = static_cast<int64_t>(size);
  if (first < 0) first = std::max<int64_t>(first + length, 0);
  if (last < 0) last += length;
  last = std::min(last, length - 1);
  if (first > last) return {};
  return {static_cast<size_t>(first), static_cast<size_t>(last) + 1};
}

bool ScanOptions::Matches(std::string_view text) const {
  return !pattern.has_value() || GlobMatches(*pattern, text);
}

std::optional<uint64_t> ReadCursor(CommandContext& ctx, size_t index) {
  // Leading zeros are allowed here.
  std::string_view digits = ctx.arg(index);
  while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
  const auto cursor = ParseUint64(digits);
  if (!cursor) ctx.reply.Error("ERR invalid cursor");
  return cursor;
}

bool ReadScanOptions(CommandContext& ctx, size_t index, bool allow_no_values, ScanOptions* options,
                     std::optional<std::string_view>* type) {
  while (index < ctx.args.size()) {
    const bool has_value = index + 1 < ctx.args.size();
    if (has_value && IsWord(ctx.arg(index), "COUNT")) {
      const auto count = ReadInteger(ctx, index + 1);
      if (!count) return false;
      if (*count < 1) {
        ctx.reply.Error(kSyntaxError);
        return false;
      }
      options->count = static_cast<size_t>(*count);
      index += 2;
    } else if (has_value && IsWord(ctx.arg(index), "MATCH")) {
      options->pattern = ctx.arg(index + 1);
      index += 2;
    } else if (has_value && type != nullptr && IsWord(ctx.arg(index), "TYPE")) {
      *type = ctx.arg(index + 1);
      index += 2;
    } else if (allow_no_values && IsWord(ctx.arg(index), "NOVALUES")) {
      options->no_values = true;
      ++index;
    } else {
      ctx.reply.Error(kSyntaxError);
      return false;
    }
  }
  return true;
}

void WriteScanReply(ReplyWriter& reply, uint64_t cursor, size_t count, std::string_view elements) {
  std::string digits = std::to_string(cursor);
  reply.ArrayHeader(2);
  reply.Bulk(digits);
  reply.ArrayHeader(count);
  reply.out().append(elements);
}

}  // namespace chorale
