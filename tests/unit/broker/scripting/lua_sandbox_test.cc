#include "broker/scripting/lua_sandbox.h"

#include <gmock/gmock.h>

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

using testing::HasSubstr;

class LuaSandboxTest : public LuaTest {};

TEST_F(LuaSandboxTest, MissingGlobalsAreErrors) {
  EXPECT_EQ(ErrorOf("return x"),
            "ERR user_script:1: Script attempted to access nonexistent global variable 'x'");
  EXPECT_EQ(ErrorOf("return _G.x"),
            "ERR user_script:1: Script attempted to access nonexistent global variable 'x'");
  EXPECT_EQ(Run("return rawget(_G, 'x')"), "$-1\r\n");
}

TEST_F(LuaSandboxTest, WhatReachesOutOfTheSandboxIsMissing) {
  for (const char* name : {"print", "dofile", "loadfile", "require", "io", "debug", "package",
                           "module", "getfenv", "setfenv", "newproxy"}) {
    EXPECT_EQ(Run(std::string("return tostring(rawget(_G, '") + name + "'))"), "$3\r\nnil\r\n")
        << name;
  }
  EXPECT_EQ(Run("local t = {} for k in pairs(os) do t[#t + 1] = k end return t"),
            "*1\r\n$5\r\nclock\r\n");
}

TEST_F(LuaSandboxTest, SharedTablesCannotBeChanged) {
  for (const char* source :
       {"x = 1", "_G.x = 1", "redis.x = 1", "redis.call = nil", "string.x = 1", "math.pi = 3",
        "cjson.x = 1", "coroutine.x = 1", "KEYS = {}", "getmetatable('').__index = 1",
        "getmetatable(_G).__index = 1", "getmetatable('').__index.rep = nil",
        "setmetatable({}, {__newindex = redis}).x = 1"}) {
    EXPECT_EQ(ErrorOf(source), "ERR user_script:1: Attempt to modify a readonly table") << source;
  }
  for (const char* source :
       {"rawset(_G, 'x', 1)", "rawset(redis, 'x', 1)", "setmetatable(_G, {})",
        "setmetatable(redis, {})", "table.insert(redis, 1)", "rawset(getmetatable(''), 'x', 1)",
        "rawset(getmetatable(_G), 'x', 1)"}) {
    EXPECT_EQ(ErrorOf(source), "ERR Attempt to modify a readonly table") << source;
  }
  EXPECT_EQ(Run("for k, v in pairs(_G) do if k ~= 'KEYS' and k ~= 'ARGV' and type(v) == 'table' "
                "and pcall(rawset, v, 'x', 1) then return k end end"),
            "$-1\r\n");
}

TEST_F(LuaSandboxTest, SharedTablesCanBeWalkedThrough) {
  EXPECT_EQ(Run("local n = 0 for k, v in pairs(bit) do if type(v) == 'function' then n = n + 1 end "
                "end return n"),
            ":12\r\n");
  EXPECT_EQ(Run("return type(select(2, next(redis)))"), "$8\r\nfunction\r\n");
  EXPECT_EQ(Run("return table.foreach(math, function(k) if k == 'pi' then return k end end)"),
            "$2\r\npi\r\n");
  EXPECT_EQ(Run("return rawget(redis, 'LOG_WARNING')"), ":3\r\n");
  EXPECT_EQ(Run("return tostring(_G._G == _G and redis == _G.redis)"), "$4\r\ntrue\r\n");
  EXPECT_EQ(Run("return getmetatable(redis)"), "$-1\r\n");
}

TEST_F(LuaSandboxTest, OrdinaryTablesBehaveAsInLua) {
  EXPECT_EQ(Run("local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}) "
                "return {t.a, rawget(t, 'a') or 'none'}"),
            "*2\r\n$2\r\na!\r\n$4\r\nnone\r\n");
  EXPECT_EQ(Run("local t = {3, 1, 2} table.sort(t) table.insert(t, 1, 0) rawset(t, 5, 9) return t"),
            "*5\r\n:0\r\n:1\r\n:2\r\n:3\r\n:9\r\n");
  EXPECT_EQ(Run("local m = {__metatable = 'm'} return getmetatable(setmetatable({}, m))"),
            "$1\r\nm\r\n");
}

TEST_F(LuaSandboxTest, OneScriptLeavesNothingForTheNext) {
  Run("KEYS[2] = 'left' ARGV.x = 'left'", {"a"}, {"b"});
  EXPECT_EQ(Run("return {#KEYS, tostring(ARGV.x)}"), "*2\r\n:0\r\n$3\r\nnil\r\n");
}

TEST_F(LuaSandboxTest, BytecodeIsNotLoaded) {
  EXPECT_EQ(Run("return (select(2, loadstring('\\27Lua', '=n')))"),
            "$38\r\nn:1: unexpected symbol near 'char(27)'\r\n");
  EXPECT_EQ(Run("return (select(2, loadstring(string.dump(function() end), '=n')))"),
            "$38\r\nn:1: unexpected symbol near 'char(27)'\r\n");
  EXPECT_EQ(Run("local n = 0 return (select(2, load(function() n = n + 1 "
                "return ({'', '\\27', 'Lua'})[n] end)))"),
            "$43\r\n(load):1: unexpected symbol near 'char(27)'\r\n");
  EXPECT_EQ(Run("local n = 0 return (select(2, load(function() n = n + 1 "
                "return ({'\\27', 'Lua'})[n] end)))"),
            "$43\r\n(load):1: unexpected symbol near 'char(27)'\r\n");
  EXPECT_THAT(Run("\x1bLua"), HasSubstr("unexpected symbol near 'char(27)'"));
}

TEST_F(LuaSandboxTest, TextIsLoaded) {
  EXPECT_EQ(Run("return loadstring('return 5')()"), ":5\r\n");
  EXPECT_EQ(Run("local n = 0 return load(function() n = n + 1 "
                "return ({'return', ' 7'})[n] end)()"),
            ":7\r\n");
  EXPECT_EQ(ErrorOf("load('x')"),
            "ERR user_script:1: bad argument #1 to 'load' (function expected, got string)");
}

TEST_F(LuaSandboxTest, TheCollectorCannotBeStopped) {
  Run("collectgarbage('stop')");
  EXPECT_EQ(Run("for i = 1, 1e5 do local s = ('x'):rep(1000) .. i end return 1"), ":1\r\n");
}

TEST_F(LuaSandboxTest, SeededRandomNumbersAreThoseOfRedis) {
  EXPECT_EQ(Run("math.randomseed(0) return tostring(math.random())"),
            "$16\r\n0.17082803611217\r\n");
  EXPECT_EQ(Run("math.randomseed(42) return {tostring(math.random()), math.random(10), "
                "math.random(5, 7), math.random(1000000000)}"),
            "*4\r\n$16\r\n0.74452500033403\r\n:4\r\n:5\r\n:422338959\r\n");
  EXPECT_EQ(ErrorOf("math.random(0)"),
            "ERR user_script:1: bad argument #1 to 'random' (interval is empty)");
}

TEST_F(LuaSandboxTest, BitToHexTakesAnyWidth) {
  EXPECT_EQ(Run("return {bit.tohex(255, 4), bit.tohex(255, -4), bit.tohex(1, -2147483648), "
                "bit.tohex(1, 2147483648)}"),
            "*4\r\n$4\r\n00ff\r\n$4\r\n00FF\r\n$8\r\n00000001\r\n$8\r\n00000001\r\n");
}

TEST_F(LuaSandboxTest, CjsonHasTheSettingsOfRedis) {
  EXPECT_EQ(Run("return cjson.encode({1, 2.5, 'a/b\"', cjson.null, {x = true}, {}})"),
            "$35\r\n[1,2.5,\"a\\/b\\\"\",null,{\"x\":true},{}]\r\n");
  EXPECT_EQ(Run("return cjson.decode('{\"a\": [1, {\"b\": \"c\"}]}').a[2].b"), "$1\r\nc\r\n");
  EXPECT_EQ(ErrorOf("cjson.encode({[1] = 1, [100] = 2})"),
            "ERR user_script:1: Cannot serialise table: excessively sparse array");
  EXPECT_EQ(ErrorOf("cjson.encode(1/0)"),
            "ERR user_script:1: Cannot serialise number: must not be NaN or Inf");
  EXPECT_EQ(ErrorOf("cjson.decode(string.rep('[', 1001))"),
            "ERR user_script:1: Found too many nested data structures (1001) at character 1001");
}

}  // namespace
}  // namespace chorale
