// Runs scripts in Lua 5.1 with Redis's API and sandbox
// (https://redis.io/docs/latest/develop/interact/programmability/lua-api/).
//
// One interpreter belongs to one thread: only memory_used() may be called from another one. A
// script cannot reach another interpreter, the file system or the process, cannot change what the
// next script sees but for its library settings (as in Redis), and cannot take more memory than the
// limit.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/scripting/script.h"
#include "broker/scripting/script_host.h"
#include "protocol/reply_writer.h"

namespace chorale {

struct LuaRuntime;

struct LuaOptions {
  size_t memory_limit = size_t{1} << 30;  // bytes; a script that needs more gets an error
  size_t compiled_scripts = 1000;         // kept; any more are compiled again when they run
};

class LuaInterpreter {
 public:
  static constexpr int kTickInstructions = 100'000;

  explicit LuaInterpreter(const LuaOptions& options = {});
  ~LuaInterpreter();
  LuaInterpreter(const LuaInterpreter&) = delete;
  LuaInterpreter& operator=(const LuaInterpreter&) = delete;

  // Compiles the script unless it is compiled already. The error is the text for the client without
  // the leading "ERR ".
  [[nodiscard]] std::optional<std::string> Compile(const Script& script);

  // Runs the script, compiling it first if need be, and writes exactly one reply. Not reentrant:
  // the host must refuse commands that run scripts.
  void Run(const Script& script, std::span<const std::string_view> keys,
           std::span<const std::string_view> arguments, ScriptHost& host, ReplyWriter& reply);

  // SCRIPT FLUSH: forgets every compiled script and everything scripts left behind.
  void Reset();

  // In bytes. Any thread.
  size_t memory_used() const { return memory_used_.load(std::memory_order_relaxed); }

 private:
  void CollectGarbage();

  const LuaOptions options_;
  std::atomic<size_t> memory_used_ = 0;  // written by the owner's thread only
  std::unique_ptr<LuaRuntime> runtime_;
  std::unordered_map<std::string, int> compiled_;  // SHA-1 to the registry's reference
  uint64_t runs_ = 0;
};

}  // namespace chorale
