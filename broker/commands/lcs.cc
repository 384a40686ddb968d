// LCS: the longest common subsequence of two strings, with the classic table of prefix lengths.

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "broker/commands/deferred.h"
#include "broker/commands/strings.h"
#include "broker/server.h"

namespace chorale {
namespace {

struct LcsOptions {
  bool length_only = false;
  bool ranges = false;
  bool with_lengths = false;
  int64_t shortest_match = 0;
};

bool ReadLcsOptions(CommandContext& ctx, LcsOptions* options) {
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (IsWord(ctx.arg(i), "IDX")) {
      options->ranges = true;
    } else if (IsWord(ctx.arg(i), "LEN")) {
      options->length_only = true;
    } else if (IsWord(ctx.arg(i), "WITHMATCHLEN")) {
      options->with_lengths = true;
    } else if (IsWord(ctx.arg(i), "MINMATCHLEN") && i + 1 < ctx.args.size()) {
      const auto least = ReadInteger(ctx, ++i);
      if (!least) return false;
      options->shortest_match = *least;
    } else {
      ctx.reply.Error(kSyntaxError);
      return false;
    }
  }
  if (options->ranges && options->length_only) {
    ctx.reply.Error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

// Lengths of the longest common subsequence of each prefix of `a` with each prefix of `b`.
class PrefixLengths {
 public:
  static uint64_t Bytes(std::string_view a, std::string_view b) {
    return (a.size() + 1) * (b.size() + 1) * sizeof(uint32_t);
  }

  PrefixLengths(std::string_view a, std::string_view b)
      : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        At(i, j) =
            a[i - 1] == b[j - 1] ? At(i - 1, j - 1) + 1 : std::max(At(i - 1, j), At(i, j - 1));
      }
    }
  }
  uint32_t& At(size_t i, size_t j) { return cells_[i * width_ + j]; }

 private:
  size_t width_;
  std::vector<uint32_t> cells_;
};

// Bytes [a, a + length) of the first string are [b, b + length) of the second.
struct Match {
  size_t a, b, length;
};

// Walks the table from its end to its beginning; the matches are in that order, too.
std::vector<Match> FindMatches(std::string_view a, std::string_view b, PrefixLengths& lengths) {
  std::vector<Match> matches;
  bool extends = false;
  for (size_t i = a.size(), j = b.size(); i > 0 && j > 0;) {
    if (a[i - 1] != b[j - 1]) {
      lengths.At(i - 1, j) > lengths.At(i, j - 1) ? --i : --j;
      extends = false;
      continue;
    }
    --i;
    --j;
    if (extends) {
      matches.back() = {i, j, matches.back().length + 1};
    } else {
      matches.push_back({i, j, 1});
    }
    extends = true;
  }
  return matches;
}

void WriteRange(ReplyWriter& reply, size_t first, size_t length) {
  reply.ArrayHeader(2);
  reply.Integer(static_cast<int64_t>(first));
  reply.Integer(static_cast<int64_t>(first + length - 1));
}

void WriteMatches(CommandContext& ctx, const std::vector<Match>& matches, uint32_t total,
                  const LcsOptions& options) {
  ctx.reply.MapHeader(2);
  ctx.reply.Bulk("matches");
  WriteCounted(ctx.reply, &ReplyWriter::ArrayHeader, [&](ReplyWriter& writer) {
    size_t count = 0;
    for (const Match& match : matches) {
      const auto length = static_cast<int64_t>(match.length);
      if (length < options.shortest_match) continue;
      ++count;
      writer.ArrayHeader(options.with_lengths ? 3 : 2);
      WriteRange(writer, match.a, match.length);
      WriteRange(writer, match.b, match.length);
      if (options.with_lengths) writer.Integer(length);
    }
    return count;
  });
  ctx.reply.Bulk("len");
  ctx.reply.Integer(total);
}

// A missing key reads as an empty string; unlike elsewhere, a wrong type has an error of its own.
bool ReadOperand(CommandContext& ctx, std::string_view key, std::string_view* bytes,
                 IntegerText& scratch) {
  const Entry* entry = ctx.keys.Lookup(ctx.db, key);
  if (entry == nullptr) return true;
  if (entry->type() != ValueType::kString) return false;
  *bytes = entry->StringValue(scratch);
  return true;
}

}  // namespace

void Lcs(CommandContext& ctx) {
  std::string_view a;
  std::string_view b;
  IntegerText scratch_a;
  IntegerText scratch_b;
  if (!ReadOperand(ctx, ctx.arg(1), &a, scratch_a) ||
      !ReadOperand(ctx, ctx.arg(2), &b, scratch_b)) {
    ctx.reply.Error("ERR The specified keys must contain string values");
    return;
  }
  LcsOptions options;
  if (!ReadLcsOptions(ctx, &options)) return;
  constexpr size_t kLongest = std::numeric_limits<uint32_t>::max() - 1;
  if (a.size() >= kLongest || b.size() >= kLongest) {
    ctx.reply.Error("ERR String too long for LCS");
    return;
  }
  const auto limit = static_cast<uint64_t>(ctx.server.config().proto_max_bulk_len.load());
  if (PrefixLengths::Bytes(a, b) > limit) {
    ctx.reply.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return;
  }
  PrefixLengths lengths(a, b);
  const uint32_t total = lengths.At(a.size(), b.size());
  if (options.length_only) {
    ctx.reply.Integer(total);
    return;
  }
  const std::vector<Match> matches = FindMatches(a, b, lengths);
  if (options.ranges) {
    WriteMatches(ctx, matches, total, options);
    return;
  }
  std::string common;
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    common.append(a.substr(match->a, match->length));
  }
  ctx.reply.Bulk(common);
}

}  // namespace chorale
