// SET and GETEX: the string commands that set an expiry, and their options.

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "broker/command_table.h"
#include "broker/commands/strings.h"

namespace chorale {
namespace {

enum class ExpiryForm : uint8_t { kNone, kEx, kPx, kExAt, kPxAt };

struct StringOptions {
  ExpiryForm form = ExpiryForm::kNone;
  size_t amount_at = 0;  // the argument behind EX, PX, EXAT or PXAT
  bool only_new = false;
  bool only_existing = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
};

ExpiryForm FormOf(std::string_view word) {
  if (IsWord(word, "EX")) return ExpiryForm::kEx;
  if (IsWord(word, "PX")) return ExpiryForm::kPx;
  if (IsWord(word, "EXAT")) return ExpiryForm::kExAt;
  if (IsWord(word, "PXAT")) return ExpiryForm::kPxAt;
  return ExpiryForm::kNone;
}

// Takes one word of SET's options that stands alone; false when it is none or contradicts another.
bool TakeSetWord(std::string_view word, StringOptions& options) {
  if (IsWord(word, "NX") && !options.only_existing) return options.only_new = true;
  if (IsWord(word, "XX") && !options.only_new) return options.only_existing = true;
  if (IsWord(word, "GET")) return options.get = true;
  if (IsWord(word, "KEEPTTL") && options.form == ExpiryForm::kNone) return options.keep_ttl = true;
  return false;
}

// The same for GETEX.
bool TakeGetExWord(std::string_view word, StringOptions& options) {
  return IsWord(word, "PERSIST") && options.form == ExpiryForm::kNone && (options.persist = true);
}

bool ReadOptions(CommandContext& ctx, size_t index,
                 bool (*take_word)(std::string_view, StringOptions&), StringOptions* options) {
  for (; index < ctx.args.size(); ++index) {
    if (take_word(ctx.arg(index), *options)) continue;
    const ExpiryForm form = FormOf(ctx.arg(index));
    const bool contradicts = options->keep_ttl || options->persist ||
                             (options->form != ExpiryForm::kNone && options->form != form);
    if (form == ExpiryForm::kNone || contradicts || index + 1 == ctx.args.size()) {
      ctx.reply.Error(kSyntaxError);
      return false;
    }
    options->form = form;
    options->amount_at = ++index;
  }
  return true;
}

// The Unix time in milliseconds that an amount of that form means.
std::optional<int64_t> ReadExpiry(CommandContext& ctx, ExpiryForm form, size_t index) {
  const auto amount = ReadInteger(ctx, index);
  if (!amount) return std::nullopt;
  const bool seconds = form == ExpiryForm::kEx || form == ExpiryForm::kExAt;
  const bool relative = form == ExpiryForm::kEx || form == ExpiryForm::kPx;
  int64_t at_ms = *amount;
  if (at_ms <= 0 || (seconds && __builtin_mul_overflow(at_ms, 1000, &at_ms)) ||
      (relative && __builtin_add_overflow(at_ms, ctx.now_ms(), &at_ms))) {
    ctx.reply.Error(fmt::format("ERR invalid expire time in '{}' command", FullName(ctx.command)));
    return std::nullopt;
  }
  return at_ms;
}

void SetExpiring(CommandContext& ctx, std::string_view value, int64_t at_ms) {
  Entry* entry = ctx.keys.SetString(ctx.db, ctx.arg(1), value);
  ctx.keys.SetExpiry(ctx.db, entry, at_ms);
}

void SetFor(CommandContext& ctx, ExpiryForm form) {
  const auto at_ms = ReadExpiry(ctx, form, 2);
  if (!at_ms) return;
  SetExpiring(ctx, ctx.arg(3), *at_ms);
  ctx.reply.Ok();
}

void SetWithOptions(CommandContext& ctx, const StringOptions& options) {
  std::optional<int64_t> at_ms;
  if (options.form != ExpiryForm::kNone) {
    at_ms = ReadExpiry(ctx, options.form, options.amount_at);
    if (!at_ms) return;
  }
  if (options.get && WriteValue(ctx, ctx.arg(1)) == GetOutcome::kWrongType) return;
  if (options.only_new || options.only_existing) {
    if (ctx.keys.Exists(ctx.db, ctx.arg(1)) == options.only_new) {
      if (!options.get) ctx.reply.Null();
      return;
    }
  }
  if (at_ms) {
    SetExpiring(ctx, ctx.arg(2), *at_ms);
  } else {
    ctx.keys.SetString(ctx.db, ctx.arg(1), ctx.arg(2), options.keep_ttl);
  }
  if (!options.get) ctx.reply.Ok();
}

}  // namespace

void SetCommand(CommandContext& ctx) {
  if (ctx.args.size() == 3) {
    ctx.keys.SetString(ctx.db, ctx.arg(1), ctx.arg(2));
    ctx.reply.Ok();
    return;
  }
  StringOptions options;
  if (ReadOptions(ctx, 3, &TakeSetWord, &options)) SetWithOptions(ctx, options);
}

void SetNx(CommandContext& ctx) {
  const bool absent = !ctx.keys.Exists(ctx.db, ctx.arg(1));
  if (absent) ctx.keys.SetString(ctx.db, ctx.arg(1), ctx.arg(2));
  ctx.reply.Integer(absent);
}

void SetEx(CommandContext& ctx) { SetFor(ctx, ExpiryForm::kEx); }

void PSetEx(CommandContext& ctx) { SetFor(ctx, ExpiryForm::kPx); }

void GetEx(CommandContext& ctx) {
  StringOptions options;
  if (!ReadOptions(ctx, 2, &TakeGetExWord, &options)) return;
  StringLook look;
  if (!LookAtString(ctx, ctx.arg(1), &look)) return;
  if (look.entry == nullptr) {
    ctx.reply.Null();
    return;
  }
  std::optional<int64_t> at_ms;
  if (options.form != ExpiryForm::kNone) {
    at_ms = ReadExpiry(ctx, options.form, options.amount_at);
    if (!at_ms) return;
  }
  ctx.reply.Bulk(look.bytes);
  Entry* entry = ctx.keys.Find(ctx.db, ctx.arg(1));
  if (at_ms) ctx.keys.SetExpiry(ctx.db, entry, *at_ms);
  if (options.persist) ctx.keys.ClearExpiry(ctx.db, entry);
}

}  // namespace chorale
