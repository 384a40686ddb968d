#include "broker/scripting/lua_conversion.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "broker/scripting/lua_runtime.h"
#include "broker/scripting/redis_api.h"
#include "protocol/numbers.h"

namespace chorale {
namespace {

// --- RESP to Lua ---

// What is left of a reply. The reply was written by the broker itself: it is whole and well-formed.
struct Reader {
  std::string_view rest;

  std::string_view Line() {
    const size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    return line;
  }
  std::string_view Bytes(size_t size) {
    const std::string_view bytes = rest.substr(0, size);
    rest.remove_prefix(size + 2);
    return bytes;
  }
};

int64_t Count(std::string_view line) {
  int64_t value = 0;
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

void PushText(lua_State* L, std::string_view text) { lua_pushlstring(L, text.data(), text.size()); }

// A table with one field, whose value is on top of the stack.
void WrapInTable(lua_State* L, const char* field) {
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, field);
}

void PushNext(lua_State* L, Reader& reader);

void PushArray(lua_State* L, Reader& reader, int64_t size) {
  if (size < 0) {
    lua_pushboolean(L, 0);
    return;
  }
  lua_createtable(L, static_cast<int>(size), 0);
  for (int64_t i = 1; i <= size; ++i) {
    PushNext(L, reader);
    lua_rawseti(L, -2, static_cast<int>(i));
  }
}

// Of a map, or with `set` of a set, whose members become keys with the value true.
void PushFields(lua_State* L, Reader& reader, int64_t size, bool set) {
  lua_createtable(L, 0, static_cast<int>(size));
  for (int64_t i = 0; i < size; ++i) {
    PushNext(L, reader);
    if (set) {
      lua_pushboolean(L, 1);
    } else {
      PushNext(L, reader);
    }
    lua_rawset(L, -3);
  }
  WrapInTable(L, set ? "set" : "map");
}

void PushVerbatim(lua_State* L, std::string_view bytes) {
  lua_createtable(L, 0, 2);
  PushText(L, bytes.substr(0, 3));
  lua_setfield(L, -2, "format");
  PushText(L, bytes.substr(4));
  lua_setfield(L, -2, "string");
  WrapInTable(L, "verbatim_string");
}

void PushBulk(lua_State* L, Reader& reader, int64_t size) {
  if (size < 0) {
    lua_pushboolean(L, 0);
  } else {
    PushText(L, reader.Bytes(static_cast<size_t>(size)));
  }
}

void SkipAttributes(lua_State* L, Reader& reader, int64_t pairs) {
  for (int64_t i = 0; i < 2 * pairs; ++i) {
    PushNext(L, reader);
    lua_pop(L, 1);
  }
}

void PushNext(lua_State* L, Reader& reader) {
  luaL_checkstack(L, 4, "reply too deeply nested");
  const char type = reader.rest[0];
  const std::string_view line = reader.Line().substr(1);
  switch (type) {
    case '+':
      PushText(L, line);
      return WrapInTable(L, "ok");
    case '-':
      PushText(L, line);
      return WrapInTable(L, "err");
    case ':':
      return lua_pushnumber(L, static_cast<double>(Count(line)));
    case '$':
      return PushBulk(L, reader, Count(line));
    case '*':
    case '>':
      return PushArray(L, reader, Count(line));
    case '%':
      return PushFields(L, reader, Count(line), false);
    case '~':
      return PushFields(L, reader, Count(line), true);
    case '#':
      return lua_pushboolean(L, line == "t" ? 1 : 0);
    case ',': {
      const auto value = ParseDouble(line);
      lua_pushnumber(L, value ? *value : std::numeric_limits<double>::quiet_NaN());
      return WrapInTable(L, "double");
    }
    case '(':
      PushText(L, line);
      return WrapInTable(L, "big_number");
    case '=':
      return PushVerbatim(L, reader.Bytes(static_cast<size_t>(Count(line))));
    case '|':
      SkipAttributes(L, reader, Count(line));
      return PushNext(L, reader);
    default:  // '_'
      return lua_pushnil(L);
  }
}

// --- Lua to RESP ---

// As a C cast does on x86-64, also where C++ leaves the result open.
int64_t ToInteger(double value) {
  constexpr double kLimit = 9223372036854775808.0;
  if (value >= -kLimit && value < kLimit) return static_cast<int64_t>(value);
  return std::numeric_limits<int64_t>::min();
}

std::string_view TextAt(lua_State* L, int index) {
  size_t size;
  const char* text = lua_tolstring(L, index, &size);
  return {text, size};
}

class Writer {
 public:
  Writer(lua_State* L, int script_protocol, ReplyWriter& reply)
      : L_(L),
        booleans_(script_protocol >= 3),
        reply_(reply),
        limit_(reply.out().size() + RuntimeOf(L).memory_limit) {}

  // Writes the value on top of the stack and pops it.
  void Write() {
    if (lua_checkstack(L_, 6) == 0) {
      reply_.Error("ERR reached lua stack limit");
      return lua_pop(L_, 1);
    }
    if (reply_.out().size() > limit_) luaL_error(L_, "reply too large");
    switch (lua_type(L_, -1)) {
      case LUA_TSTRING:
        reply_.Bulk(TextAt(L_, -1));
        break;
      case LUA_TNUMBER:
        reply_.Integer(ToInteger(lua_tonumber(L_, -1)));
        break;
      case LUA_TBOOLEAN:
        WriteBoolean(lua_toboolean(L_, -1) != 0);
        break;
      case LUA_TTABLE:
        WriteTable();
        break;
      default:
        reply_.Null();
    }
    lua_pop(L_, 1);
  }

 private:
  void WriteBoolean(bool value) {
    if (booleans_) {
      reply_.Boolean(value);
    } else if (value) {
      reply_.Integer(1);
    } else {
      reply_.Null();
    }
  }

  // Pushes a field of the table on top of the stack if it has that type.
  bool PushField(const char* name, int type) {
    lua_pushstring(L_, name);
    lua_rawget(L_, -2);
    if (lua_type(L_, -1) == type) return true;
    lua_pop(L_, 1);
    return false;
  }

  // The fields that give a table another meaning than an array, in Redis's order.
  void WriteTable() {
    if (PushField("err", LUA_TSTRING)) {
      reply_.Error(TextAt(L_, -1));
    } else if (PushField("ok", LUA_TSTRING)) {
      reply_.SimpleString(SingleLine());
    } else if (PushField("double", LUA_TNUMBER)) {
      reply_.Double(lua_tonumber(L_, -1));
    } else if (PushField("big_number", LUA_TSTRING)) {
      reply_.BigNumber(SingleLine());
    } else if (PushField("verbatim_string", LUA_TTABLE)) {
      if (WriteVerbatim()) return;
      lua_pop(L_, 1);
      return WriteCollection();
    } else {
      return WriteCollection();
    }
    lua_pop(L_, 1);
  }

  void WriteCollection() {
    if (PushField("map", LUA_TTABLE)) {
      WriteFields(false);
    } else if (PushField("set", LUA_TTABLE)) {
      WriteFields(true);
    } else {
      WriteArray();
      return;
    }
    lua_pop(L_, 1);
  }

  // The string on top of the stack with spaces in place of line ends.
  std::string_view SingleLine() {
    std::string& text = RuntimeOf(L_).scratch;
    text.assign(TextAt(L_, -1));
    for (char& c : text) {
      if (c == '\r' || c == '\n') c = ' ';
    }
    return text;
  }

  // The table {string=..., format=...} on top of the stack; pops it if it was one.
  bool WriteVerbatim() {
    if (!PushField("string", LUA_TSTRING)) return false;
    lua_insert(L_, -2);
    if (!PushField("format", LUA_TSTRING)) {
      lua_remove(L_, -2);
      return false;
    }
    char format[3] = {' ', ' ', ' '};
    TextAt(L_, -1).copy(format, sizeof(format));
    reply_.Verbatim({format, sizeof(format)}, TextAt(L_, -3));
    lua_pop(L_, 3);
    return true;
  }

  // Of the table on top of the stack: keys and values, or with `set` the keys alone.
  void WriteFields(bool set) {
    size_t count = 0;
    for (lua_pushnil(L_); lua_next(L_, -2) != 0; lua_pop(L_, 1)) ++count;
    if (set) {
      reply_.SetHeader(count);
    } else {
      reply_.MapHeader(count);
    }
    for (lua_pushnil(L_); lua_next(L_, -2) != 0;) {
      lua_pushvalue(L_, -2);
      Write();
      if (set) {
        lua_pop(L_, 1);
      } else {
        Write();
      }
    }
  }

  // The elements from 1 to the first nil.
  void WriteArray() {
    int count = 0;
    while (true) {
      lua_rawgeti(L_, -1, count + 1);
      const bool end = lua_isnil(L_, -1);
      lua_pop(L_, 1);
      if (end) break;
      ++count;
    }
    reply_.ArrayHeader(static_cast<size_t>(count));
    for (int i = 1; i <= count; ++i) {
      lua_rawgeti(L_, -1, i);
      Write();
    }
  }

  lua_State* const L_;
  const bool booleans_;
  ReplyWriter& reply_;
  const size_t limit_;
};

}  // namespace

void PushReply(lua_State* L, std::string_view reply) {
  Reader reader{reply};
  PushNext(L, reader);
}

void WriteValue(lua_State* L, int script_protocol, ReplyWriter& reply) {
  Writer(L, script_protocol, reply).Write();
}

}  // namespace chorale
