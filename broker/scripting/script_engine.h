// One thread's part of scripting: its interpreter, and the scripts that it has seen, so that
// running a known script takes neither a hash of its source nor a lock. Owned by an IoThread and
// used on it; memory_used() may be called from any thread.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "broker/scripting/lua_interpreter.h"
#include "broker/scripting/native_scripts.h"
#include "broker/scripting/script.h"
#include "broker/scripting/script_cache.h"

namespace chorale {

class ScriptEngine {
 public:
  // A script as this thread knows it; valid until the next Find.
  struct Known {
    std::shared_ptr<const Script> script;
    const NativeScript* native;  // nullptr: Lua alone
    bool cached;                 // EVALSHA finds it
  };

  explicit ScriptEngine(ScriptCache& cache) : cache_(cache) {}

  // The script with this source. The message of a failure lacks the leading "ERR ".
  [[nodiscard]] absl::StatusOr<Known*> FindSource(std::string_view source);
  // The script with this SHA-1; nullptr if no client has sent it.
  [[nodiscard]] Known* FindDigest(std::string_view sha);

  // Makes the script ready to run. The error lacks the leading "ERR ".
  [[nodiscard]] std::optional<std::string> Compile(const Script& script);
  // Makes it known to EVALSHA, on all threads.
  void Publish(Known& known);
  void Run(const Script& script, const ScriptArguments& given, ScriptHost& host,
           ReplyWriter& reply);

  size_t memory_used() const { return memory_used_.load(std::memory_order_relaxed); }

 private:
  // Forgets what a SCRIPT FLUSH or an eviction has made stale.
  void Refresh();
  Known* Remember(std::shared_ptr<const Script> script, bool cached);
  LuaInterpreter& interpreter();

  ScriptCache& cache_;
  uint64_t epoch_ = 0;
  uint64_t evicted_ = 0;
  std::unique_ptr<LuaInterpreter> interpreter_;            // made when the first script runs
  std::unordered_map<std::string_view, Known> by_digest_;  // keys are the scripts' own strings
  std::unordered_map<std::string_view, Known*> by_source_;
  std::atomic<size_t> memory_used_ = 0;
};

}  // namespace chorale
