// Bitmaps: https://redis.io/docs/latest/commands/?group=bitmap

#include "broker/commands/bitmaps.h"

#include <string>
#include <vector>

#include "broker/commands/strings.h"
#include "broker/server.h"
#include "protocol/numbers.h"
#include "storage/bits.h"

namespace chorale {

std::optional<uint64_t> ReadBitOffset(CommandContext& ctx, size_t index, unsigned width) {
  std::string_view text = ctx.arg(index);
  const bool counts_fields = width > 0 && text.starts_with('#');
  if (counts_fields) text.remove_prefix(1);
  auto offset = ParseInt64(text);
  if (offset && counts_fields && __builtin_mul_overflow(*offset, width, &*offset)) {
    offset = std::nullopt;
  }
  const int64_t limit = ctx.server.config().proto_max_bulk_len;
  if (offset && *offset >= 0 && *offset / 8 < limit) return static_cast<uint64_t>(*offset);
  ctx.reply.Error("ERR bit offset is not an integer or out of range");
  return std::nullopt;
}

bool IsStringOrAbsent(CommandContext& ctx, std::string_view key) {
  const Entry* entry = ctx.keys.Find(ctx.db, key);
  if (entry == nullptr || entry->type() == ValueType::kString) return true;
  ctx.reply.Error(kWrongType);
  return false;
}

std::string& EditBits(CommandContext& ctx, std::string_view key, uint64_t last) {
  return ctx.keys.EditString(ctx.db, key, last / 8 + 1);
}

namespace {

void SetBitCommand(CommandContext& ctx) {
  const auto offset = ReadBitOffset(ctx, 2);
  if (!offset) return;
  const std::string_view bit = ctx.arg(3);
  if (bit != "0" && bit != "1") {
    ctx.reply.Error("ERR bit is not an integer or out of range");
    return;
  }
  if (!IsStringOrAbsent(ctx, ctx.arg(1))) return;
  std::string& bytes = EditBits(ctx, ctx.arg(1), *offset);
  ctx.reply.Integer(GetBit(bytes, *offset));
  SetBit(bytes, *offset, bit == "1");
}

void GetBitCommand(CommandContext& ctx) {
  const auto offset = ReadBitOffset(ctx, 2);
  if (!offset) return;
  StringLook look;
  if (LookAtString(ctx, ctx.arg(1), &look)) ctx.reply.Integer(GetBit(look.bytes, *offset));
}

// The start and end arguments of BITCOUNT and BITPOS, in bytes or bits.
struct RangeArguments {
  int64_t first = 0;
  int64_t last = -1;
  bool bits = false;

  BitRange In(std::string_view bytes) const {
    const uint64_t unit = bits ? 1 : 8;
    const IndexRange range = ClampStringRange(first, last, bytes.size() * 8 / unit);
    return {range.begin * unit, range.end * unit};
  }
};

bool ReadIndex(CommandContext& ctx, size_t index, int64_t* value) {
  if (index >= ctx.args.size()) return true;
  const auto read = ReadInteger(ctx, index);
  if (read) *value = *read;
  return read.has_value();
}

bool ReadUnit(CommandContext& ctx, size_t index, bool* bits) {
  if (index >= ctx.args.size()) return true;
  *bits = IsWord(ctx.arg(index), "BIT");
  if (*bits || IsWord(ctx.arg(index), "BYTE")) return true;
  ctx.reply.Error(kSyntaxError);
  return false;
}

void BitCount(CommandContext& ctx) {
  if (ctx.args.size() == 3 || ctx.args.size() > 5) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  RangeArguments range;
  if (!ReadIndex(ctx, 2, &range.first) || !ReadIndex(ctx, 3, &range.last)) return;
  if (!ReadUnit(ctx, 4, &range.bits)) return;
  StringLook look;
  if (!LookAtString(ctx, ctx.arg(1), &look)) return;
  const BitRange bits = IsReversed(range.first, range.last) ? BitRange{} : range.In(look.bytes);
  ctx.reply.Integer(static_cast<int64_t>(CountBits(look.bytes, bits)));
}

void BitPos(CommandContext& ctx) {
  const auto bit = ReadInteger(ctx, 2);
  if (!bit) return;
  if (*bit != 0 && *bit != 1) {
    ctx.reply.Error("ERR The bit argument must be 1 or 0.");
    return;
  }
  if (ctx.args.size() > 6) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  RangeArguments range;
  if (!ReadIndex(ctx, 3, &range.first) || !ReadUnit(ctx, 5, &range.bits)) return;
  if (!ReadIndex(ctx, 4, &range.last)) return;
  StringLook look;
  if (!LookAtString(ctx, ctx.arg(1), &look)) return;
  if (look.entry == nullptr) {
    ctx.reply.Integer(*bit == 0 ? 0 : -1);
    return;
  }
  const BitRange bits = range.In(look.bytes);
  const auto found = FindBit(look.bytes, bits, *bit == 1);
  if (found) {
    ctx.reply.Integer(static_cast<int64_t>(*found));
  } else if (*bit == 0 && ctx.args.size() < 5 && bits.begin < bits.end) {
    // Without an end the string is as good as continued with zeros.
    ctx.reply.Integer(static_cast<int64_t>(bits.end));
  } else {
    ctx.reply.Integer(-1);
  }
}

std::optional<BitOperation> OperationNamed(std::string_view word) {
  if (IsWord(word, "AND")) return BitOperation::kAnd;
  if (IsWord(word, "OR")) return BitOperation::kOr;
  if (IsWord(word, "XOR")) return BitOperation::kXor;
  if (IsWord(word, "NOT")) return BitOperation::kNot;
  return std::nullopt;
}

void BitOp(CommandContext& ctx) {
  const auto operation = OperationNamed(ctx.arg(1));
  if (!operation) {
    ctx.reply.Error(kSyntaxError);
    return;
  }
  const auto sources = ctx.args.subspan(3);
  if (*operation == BitOperation::kNot && sources.size() != 1) {
    ctx.reply.Error("ERR BITOP NOT must be called with a single source key.");
    return;
  }
  std::vector<StringLook> looks(sources.size());
  std::vector<std::string_view> operands;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (!LookAtString(ctx, sources[i], &looks[i])) return;
    operands.push_back(looks[i].bytes);
  }
  std::string result = CombineBits(*operation, operands);
  ctx.reply.Integer(static_cast<int64_t>(result.size()));
  if (result.empty()) {
    ctx.keys.Delete(ctx.db, ctx.arg(2));
  } else {
    ctx.keys.Put(ctx.db, Entry::NewBytes(ctx.arg(2), std::move(result)));
  }
}

constexpr KeySpec kKeysFromSecond{2, -1, 1};
constexpr uint32_t kReads = kCatRead | kCatBitmap;
constexpr uint32_t kWrites = kCatWrite | kCatBitmap;

constexpr Command kCommands[] = {
    {"bitcount", -2, kReadOnly, kFirstKey, kReads | kCatSlow, &BitCount, "bitmap", "2.6.0",
     "Counts the bits of a string that are set."},
    {"bitfield", -2, kWrite | kDenyOom, kFirstKey, kWrites | kCatSlow, &BitField, "bitmap", "3.2.0",
     "Reads and changes integers of any width inside a string."},
    {"bitfield_ro", -2, kReadOnly | kFast, kFirstKey, kReads | kCatFast, &BitFieldReadOnly,
     "bitmap", "6.0.0", "Reads integers of any width inside a string."},
    {"bitop", -4, kWrite | kDenyOom, kKeysFromSecond, kWrites | kCatSlow, &BitOp, "bitmap", "2.6.0",
     "Combines strings bit by bit and keeps the result at a key."},
    {"bitpos", -3, kReadOnly, kFirstKey, kReads | kCatSlow, &BitPos, "bitmap", "2.8.7",
     "Finds the first bit of a string that is set, or clear."},
    {"getbit", 3, kReadOnly | kFast, kFirstKey, kReads | kCatFast, &GetBitCommand, "bitmap",
     "2.2.0", "Returns one bit of a string."},
    {"setbit", 4, kWrite | kDenyOom, kFirstKey, kWrites | kCatSlow, &SetBitCommand, "bitmap",
     "2.2.0", "Changes one bit of a string and returns what it was."},
};

}  // namespace

std::span<const Command> BitmapCommands() { return kCommands; }

}  // namespace chorale
