// The handlers of the sorted-set family that do not live in sorted_sets.cc, where the rows are, and
// what its files share.

#pragma once

#include <optional>
#include <string_view>

#include "broker/command.h"
#include "storage/sorted_set.h"

namespace chorale::sorted_sets {

// sorted_sets_range.cc: what selects by rank, score or member bytes.
void ZRange(CommandContext& ctx);
void ZRangeStore(CommandContext& ctx);
void ZRevRange(CommandContext& ctx);
void ZRangeByScore(CommandContext& ctx);
void ZRevRangeByScore(CommandContext& ctx);
void ZRangeByLex(CommandContext& ctx);
void ZRevRangeByLex(CommandContext& ctx);
void ZCount(CommandContext& ctx);
void ZLexCount(CommandContext& ctx);
void ZRemRangeByRank(CommandContext& ctx);
void ZRemRangeByScore(CommandContext& ctx);
void ZRemRangeByLex(CommandContext& ctx);

// sorted_sets_pop.cc: what takes the extreme members out, at once or blocking.
void ZPopMin(CommandContext& ctx);
void ZPopMax(CommandContext& ctx);
void ZMPop(CommandContext& ctx);
void BZPopMin(CommandContext& ctx);
void BZPopMax(CommandContext& ctx);
void BZMPop(CommandContext& ctx);

// sorted_sets_combine.cc: what computes with several sorted sets.
void ZUnion(CommandContext& ctx);
void ZUnionStore(CommandContext& ctx);
void ZInter(CommandContext& ctx);
void ZInterStore(CommandContext& ctx);
void ZInterCard(CommandContext& ctx);
void ZDiff(CommandContext& ctx);
void ZDiffStore(CommandContext& ctx);

// Members as ZRANGE WITHSCORES and its kin reply them: RESP3 pairs member and score, RESP2 lays
// them flat. The header, then each member.
void WriteMembersHeader(ReplyWriter& reply, size_t members, bool with_scores);
void WriteMember(ReplyWriter& reply, std::string_view member, double score, bool with_scores);

}  // namespace chorale::sorted_sets
