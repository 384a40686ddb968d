#include "broker/scripting/script_engine.h"

#include <utility>

namespace chorale {
namespace {

constexpr size_t kKnownScripts = 1000;

}  // namespace

void ScriptEngine::Refresh() {
  const uint64_t epoch = cache_.epoch();
  const uint64_t evicted = cache_.evicted();
  const bool flushed = epoch != epoch_;
  if (!flushed && evicted == evicted_ && by_digest_.size() < kKnownScripts) return;
  by_source_.clear();
  by_digest_.clear();
  epoch_ = epoch;
  evicted_ = evicted;
  if (flushed && interpreter_ != nullptr) interpreter_->Reset();
}

ScriptEngine::Known* ScriptEngine::Remember(std::shared_ptr<const Script> script, bool cached) {
  const NativeScript* native = FindNativeScript(script->sha);
  const std::string_view sha = script->sha;
  const std::string_view source = script->source;
  Known* known =
      &by_digest_.try_emplace(sha, Known{std::move(script), native, cached}).first->second;
  by_source_.try_emplace(source, known);
  return known;
}

absl::StatusOr<ScriptEngine::Known*> ScriptEngine::FindSource(std::string_view source) {
  Refresh();
  if (const auto it = by_source_.find(source); it != by_source_.end()) return it->second;
  auto script = ParseScript(source);
  if (!script.ok()) return script.status();
  return Remember(*std::move(script), false);
}

ScriptEngine::Known* ScriptEngine::FindDigest(std::string_view sha) {
  Refresh();
  if (const auto it = by_digest_.find(sha); it != by_digest_.end() && it->second.cached) {
    return &it->second;
  }
  auto script = cache_.Find(sha);
  if (script == nullptr) return nullptr;
  Known* known = Remember(std::move(script), true);
  known->cached = true;
  return known;
}

void ScriptEngine::Publish(Known& known) {
  if (std::exchange(known.cached, true)) return;
  cache_.AddEvaluated(known.script);
}

LuaInterpreter& ScriptEngine::interpreter() {
  if (interpreter_ == nullptr) interpreter_ = std::make_unique<LuaInterpreter>();
  return *interpreter_;
}

std::optional<std::string> ScriptEngine::Compile(const Script& script) {
  auto error = interpreter().Compile(script);
  memory_used_.store(interpreter().memory_used(), std::memory_order_relaxed);
  return error;
}

void ScriptEngine::Run(const Script& script, const ScriptArguments& given, ScriptHost& host,
                       ReplyWriter& reply) {
  interpreter().Run(script, given.keys, given.arguments, host, reply);
  memory_used_.store(interpreter().memory_used(), std::memory_order_relaxed);
}

}  // namespace chorale
