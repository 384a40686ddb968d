#include "broker/scripting/lua_cmsgpack.h"

#include <array>
#include <bit>
#include <climits>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/scripting/lua_runtime.h"
#include "broker/scripting/lua_sandbox.h"

namespace chorale {
namespace {

// Tables nested deeper are packed as nil.
constexpr int kMaxNesting = 16;

// --- Packing ---

class Packer {
 public:
  explicit Packer(lua_State* L)
      : L_(L), out_(RuntimeOf(L).scratch), limit_(RuntimeOf(L).memory_limit) {
    out_.clear();
  }

  std::string_view bytes() const { return out_; }

  // Packs the value on top of the stack and pops it.
  void Pack(int level) {
    luaL_checkstack(L_, 5, "in function cmsgpack.pack");
    if (out_.size() > limit_) luaL_error(L_, "packed data too large");
    switch (lua_type(L_, -1)) {
      case LUA_TSTRING:
        PackString();
        break;
      case LUA_TBOOLEAN:
        Byte(lua_toboolean(L_, -1) != 0 ? 0xc3 : 0xc2);
        break;
      case LUA_TNUMBER:
        PackNumber(lua_tonumber(L_, -1));
        break;
      case LUA_TTABLE:
        if (level == kMaxNesting) {
          Byte(0xc0);
        } else {
          PackTable(level);
        }
        break;
      default:
        Byte(0xc0);
    }
    lua_pop(L_, 1);
  }

 private:
  void Byte(unsigned value) { out_.push_back(static_cast<char>(value)); }

  // A type byte and a big-endian number of so many bytes.
  void Typed(unsigned type, uint64_t value, int bytes) {
    Byte(type);
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) Byte((value >> shift) & 0xff);
  }

  void PackString() {
    size_t size;
    const char* text = lua_tolstring(L_, -1, &size);
    if (size < 32) {
      Byte(0xa0 | static_cast<unsigned>(size));
    } else if (size <= 0xff) {
      Typed(0xd9, size, 1);
    } else if (size <= 0xffff) {
      Typed(0xda, size, 2);
    } else {
      Typed(0xdb, size, 4);
    }
    out_.append(text, size);
  }

  void PackInteger(int64_t value) {
    const auto bits = static_cast<uint64_t>(value);
    if (value >= 0) {
      if (value <= 0x7f) return Byte(static_cast<unsigned>(value));
      if (value <= 0xff) return Typed(0xcc, bits, 1);
      if (value <= 0xffff) return Typed(0xcd, bits, 2);
      if (value <= 0xffffffff) return Typed(0xce, bits, 4);
      return Typed(0xcf, bits, 8);
    }
    if (value >= -32) return Byte(static_cast<unsigned>(bits & 0xff));
    if (value >= INT8_MIN) return Typed(0xd0, bits, 1);
    if (value >= INT16_MIN) return Typed(0xd1, bits, 2);
    if (value >= INT32_MIN) return Typed(0xd2, bits, 4);
    return Typed(0xd3, bits, 8);
  }

  void PackNumber(double value) {
    constexpr double kLimit = 9223372036854775808.0;
    if (value >= -kLimit && value < kLimit && value == std::floor(value)) {
      return PackInteger(static_cast<int64_t>(value));
    }
    if (std::isinf(value) || static_cast<double>(static_cast<float>(value)) == value) {
      return Typed(0xca, std::bit_cast<uint32_t>(static_cast<float>(value)), 4);
    }
    Typed(0xcb, std::bit_cast<uint64_t>(value), 8);
  }

  // True if the keys of the table on top of the stack are 1 to its size, which is stored.
  bool IsArray(size_t* size) {
    double highest = 0;
    bool array = true;
    *size = 0;
    for (lua_pushnil(L_); lua_next(L_, -2) != 0; lua_pop(L_, 1)) {
      ++*size;
      const double key = lua_type(L_, -2) == LUA_TNUMBER ? lua_tonumber(L_, -2) : 0;
      if (!(key > 0 && key <= INT_MAX && key == std::floor(key))) array = false;
      if (key > highest) highest = key;
    }
    return array && highest == static_cast<double>(*size);
  }

  void PackTable(int level) {
    if (PushProtected(L_, -1)) lua_replace(L_, -2);
    size_t size;
    if (IsArray(&size)) {
      Header(0x90, 0xdc, size);
      for (size_t i = 1; i <= size; ++i) {
        lua_rawgeti(L_, -1, static_cast<int>(i));
        Pack(level + 1);
      }
      return;
    }
    Header(0x80, 0xde, size);
    for (lua_pushnil(L_); lua_next(L_, -2) != 0;) {
      lua_pushvalue(L_, -2);
      Pack(level + 1);
      Pack(level + 1);
    }
  }

  void Header(unsigned small, unsigned large, size_t size) {
    if (size <= 15) {
      Byte(small | static_cast<unsigned>(size));
    } else if (size <= 0xffff) {
      Typed(large, size, 2);
    } else {
      Typed(large + 1, size, 4);
    }
  }

  lua_State* const L_;
  std::string& out_;
  const size_t limit_;
};

int Pack(lua_State* L) {
  const int count = lua_gettop(L);
  if (count == 0) return luaL_argerror(L, 0, "MessagePack pack needs input.");
  Packer packer(L);
  for (int i = 1; i <= count; ++i) {
    luaL_checkstack(L, 1, "in function cmsgpack.pack");
    lua_pushvalue(L, i);
    packer.Pack(0);
  }
  lua_pushlstring(L, packer.bytes().data(), packer.bytes().size());
  return 1;
}

// --- Unpacking ---

class Unpacker {
 public:
  Unpacker(lua_State* L, std::string_view bytes) : L_(L), rest_(bytes) {}

  size_t left() const { return rest_.size(); }

  // Pushes the next value with all that is in it. Raises when there is none. It does not recurse,
  // so that the nesting takes none of the thread's stack.
  void Push() {
    size_t depth = 0;
    do {
      luaL_checkstack(L_, 3,
                      "too many return values at once; use unpack_one or unpack_limit instead.");
      bool complete = !PushOne(&open_[depth]);
      if (!complete) ++depth;
      for (; depth > 0; --depth) {
        Table& table = open_[depth - 1];
        if (complete) AddTo(table);
        complete = table.added == table.values;
        if (!complete) break;
      }
    } while (depth > 0);
  }

 private:
  // A table whose contents are being read, on Lua's stack.
  struct Table {
    uint64_t values;  // that belong to it; a map's keys count
    uint64_t added;
    bool map;
  };

  // Pushes a value without what is in it. True if it is a table.
  bool PushOne(Table* table) {
    const auto type = static_cast<unsigned>(Number(1));
    if (type >= 0x80 && type <= 0x8f) return Open(table, true, type & 0x0f);
    if (type >= 0x90 && type <= 0x9f) return Open(table, false, type & 0x0f);
    if (type == 0xdc || type == 0xdd) return Open(table, false, Number(2u << (type - 0xdc)));
    if (type == 0xde || type == 0xdf) return Open(table, true, Number(2u << (type - 0xde)));
    PushScalar(type);
    return false;
  }

  bool Open(Table* table, bool map, uint64_t size) {
    *table = {map ? 2 * size : size, 0, map};
    lua_newtable(L_);
    return true;
  }

  // Pops a value, or a key with its value, into the table below.
  void AddTo(Table& table) {
    ++table.added;
    if (!table.map) {
      lua_rawseti(L_, -2, static_cast<int>(table.added));
    } else if (table.added % 2 == 0) {
      lua_settable(L_, -3);  // refuses nil and NaN as a key
    }
  }

  void PushScalar(unsigned type) {
    if (type <= 0x7f) return lua_pushnumber(L_, type);
    if (type >= 0xe0) return lua_pushnumber(L_, static_cast<int8_t>(type));
    if (type <= 0xbf) return PushString(type & 0x1f);
    switch (type) {
      case 0xc0:
        return lua_pushnil(L_);
      case 0xc2:
      case 0xc3:
        return lua_pushboolean(L_, static_cast<int>(type & 1));
      case 0xca:
        return lua_pushnumber(L_, std::bit_cast<float>(static_cast<uint32_t>(Number(4))));
      case 0xcb:
        return lua_pushnumber(L_, std::bit_cast<double>(Number(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:  // above 2^63 it turns negative, as in Redis
        return lua_pushnumber(
            L_, static_cast<double>(static_cast<int64_t>(Number(1u << (type - 0xcc)))));
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return lua_pushnumber(L_, static_cast<double>(Signed(1u << (type - 0xd0))));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return PushString(Number(1u << (type - 0xd9)));
      default:
        luaL_error(L_, "Bad data format in input.");
    }
  }

  std::string_view Take(uint64_t size) {
    if (size > rest_.size()) luaL_error(L_, "Missing bytes in input.");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  uint64_t Number(unsigned bytes) {
    uint64_t value = 0;
    for (const char c : Take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }

  int64_t Signed(unsigned bytes) {
    const unsigned unused = 64 - 8 * bytes;
    return static_cast<int64_t>(Number(bytes) << unused) >> unused;
  }

  void PushString(uint64_t size) {
    const std::string_view text = Take(size);
    lua_pushlstring(L_, text.data(), text.size());
  }

  lua_State* const L_;
  std::string_view rest_;
  // No vector, which an error would leak. Each takes a slot of Lua's stack, which ends before.
  std::array<Table, LUAI_MAXCSTACK> open_;
};

// Argument 1 is the input. Returns all of it with `limit` 0, else up to so many values with the
// offset behind them in front.
int UnpackFrom(lua_State* L, lua_Integer limit, lua_Integer offset, bool all) {
  size_t size;
  const char* bytes = luaL_checklstring(L, 1, &size);
  if (offset < 0 || limit < 0) {
    return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  if (static_cast<size_t>(offset) > size) {
    return luaL_error(L, "Start offset %d greater than input length %d.", static_cast<int>(offset),
                      static_cast<int>(size));
  }
  lua_settop(L, 1);
  Unpacker unpacker(L, std::string_view(bytes, size).substr(static_cast<size_t>(offset)));
  int count = 0;
  for (; unpacker.left() > 0 && (all || count < limit); ++count) unpacker.Push();
  if (all) return count;
  luaL_checkstack(L, 1, "in function cmsgpack.unpack");
  lua_pushinteger(L, unpacker.left() == 0 ? -1 : static_cast<lua_Integer>(size - unpacker.left()));
  lua_insert(L, 2);
  return count + 1;
}

int Unpack(lua_State* L) { return UnpackFrom(L, 0, 0, true); }

// A limit of 0 at offset 0 means everything, as in Redis.
int UnpackLimit(lua_State* L) {
  const lua_Integer limit = luaL_checkint(L, 2);
  const lua_Integer offset = luaL_optint(L, 3, 0);
  return UnpackFrom(L, limit, offset, limit == 0 && offset == 0);
}

int UnpackOne(lua_State* L) { return UnpackFrom(L, 1, luaL_optint(L, 2, 0), false); }

}  // namespace

void PushCmsgpack(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {
      {"pack", Pack}, {"unpack", Unpack}, {"unpack_one", UnpackOne}, {"unpack_limit", UnpackLimit}};
  lua_newtable(L);
  for (const auto& [name, function] : kFunctions) {
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, name);
  }
  lua_pushliteral(L, "cmsgpack");
  lua_setfield(L, -2, "_NAME");
}

}  // namespace chorale
