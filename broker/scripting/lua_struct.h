// The `struct` library of scripts: values to and from C structures. Internal to broker/scripting.
//
// pack(format, ...), unpack(format, bytes [, position]) and size(format). In a format:
//   >  <       big, little endian from here on; the machine's at first
//   ![n]       align to at most n bytes (8), a power of two; at first nothing is aligned
//   x          a byte of padding
//   b B h H l L T   signed and unsigned char, short, long; size_t
//   i[n] I[n]  signed and unsigned integer of n bytes (4)
//   f d        float, double
//   s          a string up to a zero byte
//   c[n]       n characters (1); c0: the whole string, and in unpack as many as the value before
//   says space      nothing

#pragma once

#include <lua.hpp>

namespace chorale {

void PushStruct(lua_State* L);

}  // namespace chorale
