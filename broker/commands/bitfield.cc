// BITFIELD: integers of any width inside a string.
// https://redis.io/docs/latest/commands/bitfield/

#include <algorithm>
#include <string>
#include <vector>

#include "broker/commands/bitmaps.h"
#include "broker/commands/strings.h"
#include "protocol/numbers.h"
#include "storage/bits.h"

namespace chorale {
namespace {

struct FieldOperation {
  enum class Kind { kGet, kSet, kIncrement } kind = Kind::kGet;
  BitFieldOverflow overflow = BitFieldOverflow::kWrap;
  BitFieldType type = {};
  uint64_t offset = 0;
  int64_t operand = 0;  // of kSet and kIncrement

  uint64_t last_bit() const { return offset + type.width - 1; }
};

bool ReadOverflow(CommandContext& ctx, std::string_view word, BitFieldOverflow* overflow) {
  if (IsWord(word, "WRAP")) {
    *overflow = BitFieldOverflow::kWrap;
  } else if (IsWord(word, "SAT")) {
    *overflow = BitFieldOverflow::kSaturate;
  } else if (IsWord(word, "FAIL")) {
    *overflow = BitFieldOverflow::kFail;
  } else {
    ctx.reply.Error("ERR Invalid OVERFLOW type specified");
    return false;
  }
  return true;
}

bool ReadType(CommandContext& ctx, std::string_view text, BitFieldType* type) {
  const bool is_signed = text.starts_with('i');
  const auto width = ParseInt64(text.substr(std::min<size_t>(1, text.size())));
  const int64_t widest = is_signed ? 64 : 63;
  if ((is_signed || text.starts_with('u')) && width && *width >= 1 && *width <= widest) {
    *type = {is_signed, static_cast<unsigned>(*width)};
    return true;
  }
  ctx.reply.Error(
      "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 is.");
  return false;
}

// Reads one operation that begins at `index`; returns how many arguments it has, 0 after an error.
size_t ReadOperation(CommandContext& ctx, size_t index, FieldOperation* operation) {
  using Kind = FieldOperation::Kind;
  const std::string_view word = ctx.arg(index);
  const size_t behind = ctx.args.size() - index - 1;
  if (IsWord(word, "GET") && behind >= 2) {
    operation->kind = Kind::kGet;
  } else if (IsWord(word, "SET") && behind >= 3) {
    operation->kind = Kind::kSet;
  } else if (IsWord(word, "INCRBY") && behind >= 3) {
    operation->kind = Kind::kIncrement;
  } else {
    ctx.reply.Error(kSyntaxError);
    return 0;
  }
  if (!ReadType(ctx, ctx.arg(index + 1), &operation->type)) return 0;
  const auto offset = ReadBitOffset(ctx, index + 2, operation->type.width);
  if (!offset) return 0;
  operation->offset = *offset;
  if (operation->kind == Kind::kGet) return 3;
  const auto operand = ReadInteger(ctx, index + 3);
  if (!operand) return 0;
  operation->operand = *operand;
  return 4;
}

bool ReadOperations(CommandContext& ctx, std::vector<FieldOperation>* operations) {
  auto overflow = BitFieldOverflow::kWrap;
  for (size_t i = 2; i < ctx.args.size();) {
    if (IsWord(ctx.arg(i), "OVERFLOW") && i + 1 < ctx.args.size()) {
      if (!ReadOverflow(ctx, ctx.arg(i + 1), &overflow)) return false;
      i += 2;
      continue;
    }
    FieldOperation operation{.overflow = overflow};
    const size_t length = ReadOperation(ctx, i, &operation);
    if (length == 0) return false;
    operations->push_back(operation);
    i += length;
  }
  return true;
}

void Run(const FieldOperation& operation, std::string& bytes, ReplyWriter& reply) {
  const BitFieldType type = operation.type;
  const int64_t old = ReadBitField(bytes, operation.offset, type);
  if (operation.kind == FieldOperation::Kind::kGet) {
    reply.Integer(old);
    return;
  }
  const bool sets = operation.kind == FieldOperation::Kind::kSet;
  const auto value = sets ? FitBitField(type, operation.operand, operation.overflow)
                          : AddToBitField(type, old, operation.operand, operation.overflow);
  if (!value) {
    reply.Null();
    return;
  }
  WriteBitField(bytes, operation.offset, type, *value);
  reply.Integer(sets ? old : *value);
}

void WriteFields(CommandContext& ctx, const std::vector<FieldOperation>& operations) {
  StringLook look;
  if (!LookAtString(ctx, ctx.arg(1), &look)) return;
  ctx.reply.ArrayHeader(operations.size());
  for (const FieldOperation& operation : operations) {
    ctx.reply.Integer(ReadBitField(look.bytes, operation.offset, operation.type));
  }
}

bool Writes(const FieldOperation& operation) {
  return operation.kind != FieldOperation::Kind::kGet;
}

}  // namespace

void BitField(CommandContext& ctx) {
  std::vector<FieldOperation> operations;
  if (!ReadOperations(ctx, &operations)) return;
  if (std::none_of(operations.begin(), operations.end(), Writes)) {
    WriteFields(ctx, operations);
    return;
  }
  if (!IsStringOrAbsent(ctx, ctx.arg(1))) return;
  uint64_t last = 0;
  for (const FieldOperation& operation : operations) {
    if (Writes(operation)) last = std::max(last, operation.last_bit());
  }
  std::string& bytes = EditBits(ctx, ctx.arg(1), last);
  ctx.reply.ArrayHeader(operations.size());
  for (const FieldOperation& operation : operations) Run(operation, bytes, ctx.reply);
}

void BitFieldReadOnly(CommandContext& ctx) {
  std::vector<FieldOperation> operations;
  if (!ReadOperations(ctx, &operations)) return;
  if (std::any_of(operations.begin(), operations.end(), Writes)) {
    ctx.reply.Error("ERR BITFIELD_RO only supports the GET subcommand");
    return;
  }
  WriteFields(ctx, operations);
}

}  // namespace chorale
