#include "broker/scripting/lua_struct.h"

#include <algorithm>
#include <bit>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "broker/scripting/lua_runtime.h"

namespace chorale {
namespace {

constexpr size_t kMaxIntegerBytes = 32;
constexpr int kDefaultAlignment = 8;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Walks through a format. Raises at what is no format.
class Format {
 public:
  Format(lua_State* L, const char* text) : L_(L), next_(text) {}

  // Reads up to the next item that takes bytes, false at the end.
  bool Next() {
    while (*next_ != '\0') {
      type_ = *next_++;
      if (ReadControl()) continue;
      ReadSize();
      return true;
    }
    return false;
  }

  char type() const { return type_; }
  size_t size() const { return size_; }
  bool little() const { return little_; }
  bool is_integer() const { return std::strchr("bBhHlLTiI", type_) != nullptr; }
  bool is_signed() const { return type_ >= 'a'; }

  // Bytes of padding in front of the item when `position` bytes are before it.
  size_t Padding(size_t position) const {
    if (size_ == 0 || type_ == 'c' || type_ == 's') return 0;
    const size_t alignment = std::min(size_, alignment_);
    return (alignment - (position & (alignment - 1))) & (alignment - 1);
  }

 private:
  bool ReadControl() {
    switch (type_) {
      case ' ':
        return true;
      case '>':
        little_ = false;
        return true;
      case '<':
        little_ = true;
        return true;
      case '!': {
        const int alignment = ReadNumber(kDefaultAlignment);
        if (alignment <= 0 || !std::has_single_bit(static_cast<unsigned>(alignment))) {
          luaL_error(L_, "alignment %d is not a power of 2", alignment);
        }
        alignment_ = static_cast<size_t>(alignment);
        return true;
      }
      default:
        return false;
    }
  }

  void ReadSize() {
    switch (type_) {
      case 'b':
      case 'B':
      case 'x':
        size_ = 1;
        break;
      case 'h':
      case 'H':
        size_ = 2;
        break;
      case 'l':
      case 'L':
      case 'T':
      case 'd':
        size_ = 8;
        break;
      case 'f':
        size_ = 4;
        break;
      case 's':
        size_ = 0;
        break;
      case 'c':
        size_ = static_cast<size_t>(ReadNumber(1));
        break;
      case 'i':
      case 'I':
        size_ = static_cast<size_t>(ReadNumber(4));
        if (size_ > kMaxIntegerBytes) {
          luaL_error(L_, "integral size %d is larger than limit of %d", static_cast<int>(size_),
                     static_cast<int>(kMaxIntegerBytes));
        }
        break;
      default:
        luaL_argerror(L_, 1, lua_pushfstring(L_, "invalid format option '%c'", type_));
    }
  }

  int ReadNumber(int missing) {
    if (!IsDigit(*next_)) return missing;
    int value = 0;
    while (IsDigit(*next_)) {
      const int digit = *next_++ - '0';
      if (value > (INT_MAX - digit) / 10) luaL_error(L_, "integral size overflow");
      value = value * 10 + digit;
    }
    return value;
  }

  lua_State* const L_;
  const char* next_;
  char type_ = 0;
  size_t size_ = 0;
  size_t alignment_ = 1;
  bool little_ = std::endian::native == std::endian::little;
};

// As a C cast on x86-64, also where C++ leaves the result open.
uint64_t ToBits(double value) {
  constexpr double kLimit = 9223372036854775808.0;
  if (value >= -kLimit && value < kLimit) {
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  }
  if (value >= kLimit && value < 2 * kLimit) return static_cast<uint64_t>(value);
  return value > 0 ? 0 : uint64_t{1} << 63;
}

void AppendInteger(uint64_t bits, const Format& format, std::string* out) {
  const size_t start = out->size();
  for (size_t i = 0; i < format.size(); ++i) {
    out->push_back(static_cast<char>(bits & 0xff));
    bits >>= 8;
  }
  if (!format.little()) std::reverse(out->begin() + static_cast<ptrdiff_t>(start), out->end());
}

uint64_t ReadBits(std::string_view bytes, bool little) {
  uint64_t bits = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = little ? bytes[bytes.size() - 1 - i] : bytes[i];
    bits = bits << 8 | static_cast<unsigned char>(c);
  }
  return bits;
}

double ReadInteger(std::string_view bytes, const Format& format) {
  const uint64_t bits = ReadBits(bytes, format.little());
  if (!format.is_signed()) return static_cast<double>(bits);
  const size_t unused = bytes.empty() || bytes.size() >= 8 ? 0 : 64 - 8 * bytes.size();
  return static_cast<double>(static_cast<int64_t>(bits << unused) >> unused);
}

// Of 'c' and 's'.
void AppendString(lua_State* L, int argument, const Format& format, std::string* out) {
  size_t length;
  const char* text = luaL_checklstring(L, argument, &length);
  const size_t size = format.size() == 0 ? length : format.size();
  luaL_argcheck(L, length >= size, argument + 1, "string too short");  // one too many, as in Redis
  out->append(text, size);
  if (format.type() == 's') out->push_back('\0');
}

int Pack(lua_State* L) {
  Format format(L, luaL_checkstring(L, 1));
  LuaRuntime& runtime = RuntimeOf(L);
  std::string& out = runtime.scratch;
  out.clear();
  int argument = 2;
  lua_pushnil(L);  // a missing argument is reported as nil
  while (format.Next()) {
    out.append(format.Padding(out.size()), '\0');
    if (format.type() == 'x') {
      out.push_back('\0');
    } else if (format.is_integer()) {
      AppendInteger(ToBits(luaL_checknumber(L, argument++)), format, &out);
    } else if (format.type() == 'f') {
      const auto value = static_cast<float>(luaL_checknumber(L, argument++));
      AppendInteger(std::bit_cast<uint32_t>(value), format, &out);
    } else if (format.type() == 'd') {
      AppendInteger(std::bit_cast<uint64_t>(luaL_checknumber(L, argument++)), format, &out);
    } else {
      AppendString(L, argument++, format, &out);
    }
    if (out.size() > runtime.memory_limit) return luaL_error(L, "packed data too large");
  }
  lua_pushlstring(L, out.data(), out.size());
  return 1;
}

class Unpacker {
 public:
  Unpacker(lua_State* L, std::string_view data, size_t position)
      : L_(L), data_(data), position_(position) {}

  size_t position() const { return position_; }
  int results() const { return results_; }

  void Push(const Format& format) {
    luaL_checkstack(L_, 2, "too many results");
    position_ += format.Padding(position_);
    if (format.type() == 's') return PushTerminated();
    if (format.type() == 'c') return PushCharacters(format.size());
    const std::string_view bytes = Take(format.size());
    if (format.type() == 'x') return;
    double value;
    if (format.type() == 'f') {
      value = std::bit_cast<float>(static_cast<uint32_t>(ReadBits(bytes, format.little())));
    } else if (format.type() == 'd') {
      value = std::bit_cast<double>(ReadBits(bytes, format.little()));
    } else {
      value = ReadInteger(bytes, format);
    }
    lua_pushnumber(L_, value);
    ++results_;
  }

 private:
  std::string_view Take(size_t size) {
    luaL_argcheck(L_, size <= data_.size() && position_ <= data_.size() - size, 2,
                  "data string too short");
    position_ += size;
    return data_.substr(position_ - size, size);
  }

  void PushText(std::string_view text) {
    lua_pushlstring(L_, text.data(), text.size());
    ++results_;
  }

  void PushCharacters(size_t size) {
    if (size == 0) {
      if (results_ == 0 || lua_isnumber(L_, -1) == 0) {
        luaL_error(L_, "format 'c0' needs a previous size");
      }
      const double before = lua_tonumber(L_, -1);
      lua_pop(L_, 1);
      --results_;
      luaL_argcheck(L_, before >= 0 && before <= static_cast<double>(data_.size()), 2,
                    "data string too short");
      size = static_cast<size_t>(before);
    }
    PushText(Take(size));
  }

  void PushTerminated() {
    Take(0);
    const size_t end = data_.find('\0', position_);
    if (end == std::string_view::npos) luaL_error(L_, "unfinished string in data");
    PushText(data_.substr(position_, end - position_));
    position_ = end + 1;
  }

  lua_State* const L_;
  const std::string_view data_;
  size_t position_;
  int results_ = 0;
};

int Unpack(lua_State* L) {
  Format format(L, luaL_checkstring(L, 1));
  size_t size;
  const char* data = luaL_checklstring(L, 2, &size);
  const lua_Integer position = luaL_optinteger(L, 3, 1);
  luaL_argcheck(L, position != 0, 3, "offset must be 1 or greater");
  Unpacker unpacker(L, {data, size}, static_cast<size_t>(position - 1));
  while (format.Next()) unpacker.Push(format);
  lua_pushinteger(L, static_cast<lua_Integer>(unpacker.position() + 1));
  return unpacker.results() + 1;
}

int Size(lua_State* L) {
  Format format(L, luaL_checkstring(L, 1));
  size_t position = 0;
  while (format.Next()) {
    if (format.type() == 's') return luaL_argerror(L, 1, "option 's' has no fixed size");
    if (format.type() == 'c' && format.size() == 0) {
      return luaL_argerror(L, 1, "option 'c0' has no fixed size");
    }
    position += format.Padding(position) + format.size();
  }
  lua_pushinteger(L, static_cast<lua_Integer>(position));
  return 1;
}

}  // namespace

void PushStruct(lua_State* L) {
  constexpr luaL_Reg kFunctions[] = {{"pack", Pack}, {"unpack", Unpack}, {"size", Size}};
  lua_newtable(L);
  for (const auto& [name, function] : kFunctions) {
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, name);
  }
}

}  // namespace chorale
