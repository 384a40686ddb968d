#include "broker/scripting/lua_runtime.h"

#include <cstdlib>
#include <new>

namespace chorale {
namespace {

// Lua's allocator: counts, and refuses what goes past the limit. Lua takes for granted that a block
// can always be made smaller.
void* Allocate(void* user, void* block, size_t old_size, size_t new_size) {
  auto& runtime = *static_cast<LuaRuntime*>(user);
  const size_t used = runtime.memory_used.load(std::memory_order_relaxed);
  if (new_size == 0) {
    std::free(block);
    runtime.memory_used.store(used - old_size, std::memory_order_relaxed);
    return nullptr;
  }
  if (new_size > old_size && used + (new_size - old_size) > runtime.memory_limit) return nullptr;
  void* const moved = std::realloc(block, new_size);
  if (moved == nullptr) return nullptr;
  runtime.memory_used.store(used - old_size + new_size, std::memory_order_relaxed);
  return moved;
}

}  // namespace

LuaRuntime::LuaRuntime(size_t limit, std::atomic<size_t>* used)
    : memory_limit(limit), memory_used(*used), state(lua_newstate(Allocate, this)) {
  if (state == nullptr) throw std::bad_alloc();
}

LuaRuntime::~LuaRuntime() { lua_close(state); }

LuaRuntime& RuntimeOf(lua_State* state) {
  void* user = nullptr;
  lua_getallocf(state, &user);
  return *static_cast<LuaRuntime*>(user);
}

}  // namespace chorale
