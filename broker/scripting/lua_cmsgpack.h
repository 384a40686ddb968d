// The `cmsgpack` library of scripts: MessagePack
// (https://github.com/msgpack/msgpack/blob/master/spec.md) without the binary and extension types,
// as in Redis. Internal to broker/scripting.
//
// pack(...) joins the encodings of its arguments. unpack(s) returns every value in s. unpack_one(s
// [, offset]) and unpack_limit(s, limit [, offset]) return the offset behind what they read, -1 at
// the end, and then the values.

#pragma once

#include <lua.hpp>

namespace chorale {

void PushCmsgpack(lua_State* L);

}  // namespace chorale
