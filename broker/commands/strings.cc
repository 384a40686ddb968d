// Strings: https://redis.io/docs/latest/commands/?group=string

#include "broker/command.h"
#include "broker/commands/errors.h"

namespace chorale {
namespace {

void Get(CommandContext& ctx) {
  const Entry* entry = ctx.keys.Lookup(ctx.db, ctx.arg(1));
  if (entry == nullptr) {
    ctx.reply.Null();
  } else if (entry->type() != ValueType::kString) {
    ctx.reply.Error(kWrongType);
  } else {
    IntegerText scratch;
    ctx.reply.Bulk(entry->StringValue(scratch));
  }
}

void Set(CommandContext& ctx) {
  ctx.keys.SetString(ctx.db, ctx.arg(1), ctx.arg(2));
  ctx.reply.Ok();
}

constexpr Command kCommands[] = {
    {"get",
     2,
     kReadOnly | kFast,
     {1, 1, 1},
     kKeyspace | kCatRead | kCatString | kCatFast,
     &Get,
     "string",
     "1.0.0",
     "Returns the value of a string key."},
    {"set",
     -3,
     kWrite | kDenyOom,
     {1, 1, 1},
     kKeyspace | kCatWrite | kCatString | kCatSlow,
     &Set,
     "string",
     "1.0.0",
     "Sets a key to a string, with options for expiry and conditions."},
};

}  // namespace

std::span<const Command> StringCommands() { return kCommands; }

}  // namespace chorale
