// Strings that hold a number: INCR and its kin.

#include <cmath>
#include <limits>
#include <optional>

#include "broker/commands/strings.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

void IncrementBy(CommandContext& ctx, int64_t delta) {
  const Entry* entry = ctx.keys.Find(ctx.db, ctx.arg(1));
  int64_t value = 0;
  if (entry != nullptr) {
    if (entry->type() != ValueType::kString) {
      ctx.reply.Error(kWrongType);
      return;
    }
    IntegerText scratch;
    const auto held =
        entry->is_integer() ? entry->integer() : ParseInt64(entry->StringValue(scratch));
    if (!held) {
      ctx.reply.Error(kNotAnInteger);
      return;
    }
    value = *held;
  }
  if (__builtin_add_overflow(value, delta, &value)) {
    ctx.reply.Error("ERR increment or decrement would overflow");
    return;
  }
  ctx.keys.SetInteger(ctx.db, ctx.arg(1), value);
  ctx.reply.Integer(value);
}

}  // namespace

void Incr(CommandContext& ctx) { IncrementBy(ctx, 1); }

void Decr(CommandContext& ctx) { IncrementBy(ctx, -1); }

void IncrBy(CommandContext& ctx) {
  if (const auto delta = ReadInteger(ctx, 2)) IncrementBy(ctx, *delta);
}

void DecrBy(CommandContext& ctx) {
  const auto delta = ReadInteger(ctx, 2);
  if (!delta) return;
  if (*delta == std::numeric_limits<int64_t>::min()) {
    ctx.reply.Error("ERR decrement would overflow");
    return;
  }
  IncrementBy(ctx, -*delta);
}

void IncrByFloat(CommandContext& ctx) {
  const Entry* entry = ctx.keys.Find(ctx.db, ctx.arg(1));
  std::optional<long double> value = 0.0L;
  if (entry != nullptr) {
    if (entry->type() != ValueType::kString) {
      ctx.reply.Error(kWrongType);
      return;
    }
    IntegerText scratch;
    value = ParseLongDouble(entry->StringValue(scratch));
  }
  const auto delta = ParseLongDouble(ctx.arg(2));
  if (!value || !delta) {
    ctx.reply.Error(kNotAFloat);
    return;
  }
  const long double sum = *value + *delta;
  if (!std::isfinite(sum)) {
    ctx.reply.Error("ERR increment would produce NaN or Infinity");
    return;
  }
  const std::string text = FormatLongDouble(sum);
  // As text even if it is whole: OBJECT ENCODING shows it.
  ctx.keys.Put(ctx.db, Entry::NewText(ctx.arg(1), text), /*keep_expiry=*/true);
  ctx.reply.Bulk(text);
}

}  // namespace chorale
