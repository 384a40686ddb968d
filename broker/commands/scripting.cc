// Scripts: https://redis.io/docs/latest/develop/interact/programmability/eval-intro/
//
// A script may touch keys that it did not name (channels_redis's do), so it holds every shard; the
// native ones hold those of their keys.

#include "broker/commands/scripting.h"

#include <optional>
#include <string>
#include <vector>

#include "broker/command_script_host.h"
#include "broker/commands/arguments.h"
#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/scripting/script_engine.h"
#include "broker/server.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

constexpr std::string_view kNoScriptError = "NOSCRIPT No matching script. Please use EVAL.";
constexpr size_t kFirstKeyAt = 3;

std::optional<ScriptArguments> SplitArguments(Arguments args, std::optional<int64_t> key_count) {
  const auto rest = static_cast<int64_t>(args.size() - kFirstKeyAt);
  if (!key_count || *key_count < 0 || *key_count > rest) return std::nullopt;
  const auto given = args.subspan(kFirstKeyAt);
  const auto count = static_cast<size_t>(*key_count);
  return ScriptArguments{given.first(count), given.subspan(count)};
}

std::optional<ScriptArguments> ReadArguments(CommandContext& ctx) {
  const auto key_count = ReadInteger(ctx, 2);
  if (!key_count) return std::nullopt;
  const auto given = SplitArguments(ctx.args, key_count);
  if (given) return given;
  ctx.reply.Error(*key_count < 0 ? "ERR Number of keys can't be negative"
                                 : "ERR Number of keys can't be greater than number of args");
  return std::nullopt;
}

// ---- finding the script ----

constexpr size_t kDigestLength = 40;  // hexadecimal digits of a SHA-1

void WriteError(CommandContext& ctx, std::string_view text) {
  ctx.reply.Error("ERR " + std::string(text));
}

// The script that the command names; nullptr if there is none, and the error is written.
ScriptEngine::Known* FindScript(CommandContext& ctx) {
  ScriptEngine& engine = ctx.thread.scripts();
  if (ctx.command.has(kScriptDigest)) {
    ScriptEngine::Known* known = engine.FindDigest(ctx.arg(1));
    if (known == nullptr) ctx.reply.Error(kNoScriptError);
    return known;
  }
  const auto known = engine.FindSource(ctx.arg(1));
  if (known.ok()) return *known;
  WriteError(ctx,
             std::string_view(known.status().message().data(), known.status().message().size()));
  return nullptr;
}

// The native script that would run; nullptr if Lua would.
const NativeScript* FindNative(const Command& command, Arguments args,
                               const ScriptArguments& given) {
  if (command.has(kReadOnly)) return nullptr;
  ScriptEngine& engine = IoThread::Current()->scripts();
  const ScriptEngine::Known* known = nullptr;
  if (command.has(kScriptDigest)) {
    known = engine.FindDigest(args[1]);
  } else if (const auto found = engine.FindSource(args[1]); found.ok()) {
    known = *found;
  }
  const bool native = known != nullptr && known->native != nullptr && known->native->accepts(given);
  return native ? known->native : nullptr;
}

// ---- running it ----

// Whether what the script declares lets it run now; writes the error if not.
bool MayRun(CommandContext& ctx, const Script& script, bool read_only) {
  if ((script.flags & (kScriptUndeclared | kScriptNoWrites)) != 0) return true;
  if (read_only) {
    ctx.reply.Error("ERR Can not execute a script with write flag using *_ro command.");
    return false;
  }
  if ((script.flags & kScriptAllowOom) == 0 && ctx.server.OutOfMemory()) {
    ctx.reply.Error(
        "OOM allow-oom flag is not set on the script, can not run it when used memory > "
        "'maxmemory'");
    return false;
  }
  return true;
}

void RunNative(CommandContext& ctx, const NativeScript& script, const ScriptArguments& given) {
  CommandScriptHost host(ctx, {}, nullptr);
  const bool succeeded = script.run(given, script.sha, host, ctx.reply);
  if (succeeded && script.recovers && ctx.origin == CommandContext::Origin::kClient) {
    ctx.client.connection.set_recovered_key(given.arguments[0]);
  }
}

void RunScript(CommandContext& ctx, bool read_only) {
  if (ctx.server.monitors().active()) ctx.server.monitors().Feed(ctx);
  // As in Redis what cannot be a digest is judged before the arguments.
  if (ctx.command.has(kScriptDigest) && ctx.arg(1).size() != kDigestLength) {
    return ctx.reply.Error(kNoScriptError);
  }
  const auto given = ReadArguments(ctx);
  if (!given) return;
  ScriptEngine::Known* known = FindScript(ctx);
  if (known == nullptr) return;
  ScriptEngine& engine = ctx.thread.scripts();
  if (known->native != nullptr && !read_only && known->native->accepts(*given)) {
    engine.Publish(*known);
    return RunNative(ctx, *known->native, *given);
  }
  if (const auto error = engine.Compile(*known->script)) return WriteError(ctx, *error);
  engine.Publish(*known);
  if (!MayRun(ctx, *known->script, read_only)) return;
  // A script past its time lets other clients of this thread in, whose commands may look scripts
  // up.
  const std::shared_ptr<const Script> script = known->script;
  const CommandScriptHost::Rules rules{
      .read_only = read_only || (script->flags & kScriptNoWrites) != 0,
      .allow_oom = (script->flags & (kScriptAllowOom | kScriptNoWrites)) != 0};
  CommandScriptHost host(ctx, rules, &ctx.server.running_script());
  engine.Run(*script, *given, host, ctx.reply);
}

void Eval(CommandContext& ctx) { RunScript(ctx, false); }
void EvalReadOnly(CommandContext& ctx) { RunScript(ctx, true); }

// ---- SCRIPT ----

void ScriptLoad(CommandContext& ctx) {
  ScriptEngine& engine = ctx.thread.scripts();
  const auto known = engine.FindSource(ctx.arg(2));
  if (!known.ok()) {
    return WriteError(
        ctx, std::string_view(known.status().message().data(), known.status().message().size()));
  }
  if (const auto error = engine.Compile(*(*known)->script)) return WriteError(ctx, *error);
  ctx.server.script_cache().AddLoaded((*known)->script);
  (*known)->cached = true;
  ctx.reply.Bulk((*known)->script->sha);
}

void ScriptExists(CommandContext& ctx) {
  ctx.reply.ArrayHeader(ctx.args.size() - 2);
  for (const std::string_view sha : ctx.args.subspan(2)) {
    ctx.reply.Integer(ctx.server.script_cache().Contains(sha) ? 1 : 0);
  }
}

void ScriptFlush(CommandContext& ctx) {
  const bool known_option =
      ctx.args.size() == 2 ||
      (ctx.args.size() == 3 && (IsWord(ctx.arg(2), "SYNC") || IsWord(ctx.arg(2), "ASYNC")));
  if (!known_option) return ctx.reply.Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  ctx.server.script_cache().Flush();
  ctx.reply.Ok();
}

void ScriptKill(CommandContext& ctx) {
  switch (ctx.server.running_script().RequestKill()) {
    case RunningScript::Kill::kDone:
      return ctx.reply.Ok();
    case RunningScript::Kill::kNothingRuns:
      return ctx.reply.Error("NOTBUSY No scripts in execution right now.");
    case RunningScript::Kill::kHasWritten:
      return ctx.reply.Error(
          "UNKILLABLE Sorry the script already executed write commands against the dataset. You "
          "can either wait the script termination or kill the server in a hard way using the "
          "SHUTDOWN NOSAVE command.");
  }
}

void ScriptDebug(CommandContext& ctx) {
  if (IsWord(ctx.arg(2), "NO")) return ctx.reply.Ok();
  if (IsWord(ctx.arg(2), "YES") || IsWord(ctx.arg(2), "SYNC")) {
    return ctx.reply.Error("ERR the Lua debugger is not supported");
  }
  ctx.reply.Error("ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void ScriptHelp(CommandContext& ctx) {
  constexpr std::string_view kLines[] = {
      "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "DEBUG NO",
      "    Nothing: there is no debugger to leave.",
      "EXISTS <sha1> [<sha1> ...]",
      "    Tells for each digest whether EVALSHA can run it.",
      "FLUSH [ASYNC|SYNC]",
      "    Forgets every script.",
      "KILL",
      "    Ends the script that runs now, if it has written nothing.",
      "LOAD <script>",
      "    Keeps the script for EVALSHA and returns its digest.",
      "HELP",
      "    This text.",
  };
  ctx.reply.ArrayHeader(std::size(kLines));
  for (const std::string_view line : kLines) ctx.reply.SimpleString(line);
}

constexpr KeySpec kCountedKeys{.count_at = 2};
constexpr uint32_t kEvaluates = kNoScript | kStale | kSkipMonitor | kMovableKeys;
constexpr uint32_t kSlow = kCatSlow | kCatScripting;

constexpr Command kScriptSubcommands[] = {
    {"debug", 3, kNoScript, kNoKeys, kSlow, &ScriptDebug, "scripting", "3.2.0",
     "Turns the Lua debugger off; there is none."},
    {"exists", -3, kNoScript, kNoKeys, kSlow, &ScriptExists, "scripting", "2.6.0",
     "Tells which scripts EVALSHA can run."},
    {"flush", -2, kNoScript, kNoKeys, kSlow, &ScriptFlush, "scripting", "2.6.0",
     "Forgets every script."},
    {"help", 2, kLoading | kStale, kNoKeys, kSlow, &ScriptHelp, "scripting", "5.0.0",
     "Describes the subcommands."},
    {"kill", 2, kNoScript | kAllowBusy, kNoKeys, kSlow, &ScriptKill, "scripting", "2.6.0",
     "Ends the script that runs now."},
    {"load", 3, kNoScript | kStale, kNoKeys, kSlow, &ScriptLoad, "scripting", "2.6.0",
     "Keeps a script for EVALSHA."},
};

constexpr Command kCommands[] = {
    {"eval", -3, kEvaluates | kScriptSource | kMayWrite, kCountedKeys, kSlow, &Eval, "scripting",
     "2.6.0", "Runs a Lua script."},
    {"eval_ro", -3, kEvaluates | kScriptSource | kReadOnly, kCountedKeys, kSlow, &EvalReadOnly,
     "scripting", "7.0.0", "Runs a Lua script that only reads."},
    {"evalsha", -3, kEvaluates | kScriptDigest | kMayWrite, kCountedKeys, kSlow, &Eval, "scripting",
     "2.6.0", "Runs a Lua script by its SHA-1 digest."},
    {"evalsha_ro", -3, kEvaluates | kScriptDigest | kReadOnly, kCountedKeys, kSlow, &EvalReadOnly,
     "scripting", "7.0.0", "Runs a Lua script that only reads by its SHA-1 digest."},
    {"script", -2, 0, kNoKeys, kSlow, nullptr, "scripting", "2.6.0",
     "A container for the commands about scripts.", kScriptSubcommands},
};

}  // namespace

ShardMask ShardsForScript(const Command& command, Arguments args) {
  const auto given = SplitArguments(args, ParseInt64(args[2]));
  if (!given) return 0;  // an error
  const NativeScript* native = FindNative(command, args, *given);
  std::vector<std::string_view> keys;
  if (native == nullptr || !native->touched_keys(*given, &keys)) return Store::kAllShards;
  ShardMask mask = 0;
  for (const std::string_view key : keys) mask |= Store::MaskOf(key);
  return mask;
}

bool HoldsRecovery(CommandContext& ctx) {
  const auto given = SplitArguments(ctx.args, ParseInt64(ctx.args[2]));
  if (!given) return false;
  const NativeScript* native = FindNative(ctx.command, ctx.args, *given);
  if (native == nullptr || !native->recovers) return false;
  // Asked under the locks: whoever hangs up from here on does so after the script has run.
  if (ctx.client.connection.PeerIsGone()) {
    ctx.client.connection.Close();
    return true;
  }
  if (!ctx.server.leases().HasUnconfirmed(ctx.db, given->arguments[0])) return false;
  return ctx.client.connection.PostponeUntilOthersAreRead();
}

std::span<const Command> ScriptingCommands() { return kCommands; }

}  // namespace chorale
