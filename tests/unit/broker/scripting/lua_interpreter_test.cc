#include "broker/scripting/lua_interpreter.h"

#include <gmock/gmock.h>

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string Suffix(std::string_view source, int line = 1) {
  return " script: " + (*ParseScript(source))->sha + ", on @user_script:" + std::to_string(line) +
         ".\r\n";
}

TEST_F(LuaTest, KeysAndArgumentsAreTablesOfStrings) {
  EXPECT_EQ(Run("return {KEYS[1], ARGV[2], #KEYS, #ARGV}", {"k"}, {"a", "b"}),
            "*4\r\n$1\r\nk\r\n$1\r\nb\r\n:1\r\n:2\r\n");
}

TEST_F(LuaTest, ValuesBecomeRepliesOfVersion2) {
  EXPECT_EQ(Run("return 3.99"), ":3\r\n");
  EXPECT_EQ(Run("return true"), ":1\r\n");
  EXPECT_EQ(Run("return false"), "$-1\r\n");
  EXPECT_EQ(Run("return {1, 'a', {true}, nil, 5}"), "*3\r\n:1\r\n$1\r\na\r\n*1\r\n:1\r\n");
  EXPECT_EQ(Run("return {ok = 'a\\r\\nb'}"), "+a  b\r\n");
  EXPECT_EQ(Run("return {err = 'CODE text'}"), "-CODE text\r\n");
  EXPECT_EQ(Run("return {map = {a = 1}}"), "*2\r\n$1\r\na\r\n:1\r\n");
  EXPECT_EQ(Run("return 1e300"), ":-9223372036854775808\r\n");
}

TEST_F(LuaTest, ValuesBecomeRepliesOfVersion3) {
  EXPECT_EQ(Run3("return true"), ":1\r\n");
  EXPECT_EQ(Run3("redis.setresp(3) return {true, false}"), "*2\r\n#t\r\n#f\r\n");
  EXPECT_EQ(Run3("return nil"), "_\r\n");
  EXPECT_EQ(Run3("return {double = 3.5}"), ",3.5\r\n");
  EXPECT_EQ(Run3("return {map = {a = {1}}}"), "%1\r\n$1\r\na\r\n*1\r\n:1\r\n");
  EXPECT_EQ(Run3("return {set = {a = true}}"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(Run3("return {big_number = '12\\n3'}"), "(12 3\r\n");
  EXPECT_EQ(Run3("return {verbatim_string = {string = 'abc', format = 't'}}"), "=7\r\nt  :abc\r\n");
  EXPECT_EQ(Run3("return {map = {}, double = 1, err = 'x'}"), "-x\r\n");
  EXPECT_EQ(Run3("return {map = {}, set = {}}"), "%0\r\n");
  EXPECT_EQ(Run3("return {verbatim_string = {string = 'a'}, map = {}}"), "%0\r\n");
}

TEST_F(LuaTest, RepliesOfCommandsBecomeValues) {
  host_.replies = {{"i", ":42\r\n"},
                   {"b", "$3\r\na\r\n\r\n"},
                   {"nb", "$-1\r\n"},
                   {"na", "*-1\r\n"},
                   {"a", "*3\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n"}};
  EXPECT_EQ(Run("return redis.call('i') + 1"), ":43\r\n");
  EXPECT_EQ(Run("return redis.call('b')"), "$3\r\na\r\n\r\n");
  EXPECT_EQ(Run("return tostring(redis.call('nb'))"), "$5\r\nfalse\r\n");
  EXPECT_EQ(Run("return tostring(redis.call('na'))"), "$5\r\nfalse\r\n");
  EXPECT_EQ(Run("return redis.call('a')"), "*3\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n");
  EXPECT_EQ(Run("return redis.call('set').ok"), "$2\r\nOK\r\n");
}

TEST_F(LuaTest, RepliesOfVersion3KeepTheirTypes) {
  host_.replies = {{"m", "%1\r\n$1\r\nf\r\n:1\r\n"},
                   {"s", "~1\r\n$1\r\nf\r\n"},
                   {"d", ",1.5\r\n"},
                   {"t", "#t\r\n"},
                   {"n", "_\r\n"},
                   {"g", "(123\r\n"},
                   {"v", "=5\r\ntxt:x\r\n"},
                   {"at", "|1\r\n+a\r\n:1\r\n:7\r\n"},
                   {"p", ">1\r\n:9\r\n"}};
  const auto call = [&](const std::string& rest) { return Run3("redis.setresp(3) " + rest); };
  EXPECT_EQ(call("return redis.call('m').map.f"), ":1\r\n");
  EXPECT_EQ(call("return redis.call('m')"), "%1\r\n$1\r\nf\r\n:1\r\n");
  EXPECT_EQ(call("return redis.call('s').set.f"), "#t\r\n");
  EXPECT_EQ(call("return redis.call('d').double * 2"), ":3\r\n");
  EXPECT_EQ(call("return redis.call('t')"), "#t\r\n");
  EXPECT_EQ(call("return type(redis.call('n'))"), "$3\r\nnil\r\n");
  EXPECT_EQ(call("return redis.call('g').big_number"), "$3\r\n123\r\n");
  EXPECT_EQ(call("return redis.call('v')"), "=5\r\ntxt:x\r\n");
  EXPECT_EQ(call("return redis.call('at')"), ":7\r\n");
  EXPECT_EQ(call("return redis.call('p')[1]"), ":9\r\n");
  EXPECT_EQ(host_.versions.back(), 3);
  Run("return redis.call('i')");
  EXPECT_EQ(host_.versions.back(), 2) << "a script starts with version 2 again";
}

TEST_F(LuaTest, NumbersAreSentShortAndExact) {
  Run("redis.call('set', 3, 1.5, 0.1, 1e15, -1/0)");
  EXPECT_THAT(host_.calls, ElementsAre("set 3 1.5 0.1 1000000000000000 -inf"));
}

TEST_F(LuaTest, AnErrorTellsScriptAndLine) {
  const std::string source = "local x = 5\nerror('abc')";
  EXPECT_EQ(Run(source), "-ERR user_script:2: abc" + Suffix(source, 2));
  const std::string table = "error({err = 'CODE x\\r\\ny'})";
  EXPECT_EQ(Run(table), "-CODE x  y" + Suffix(table));
  const std::string empty = "error({})";
  EXPECT_EQ(Run(empty), "-ERR unknown error" + Suffix(empty));
  const std::string nil = "error()";
  EXPECT_EQ(Run(nil), "-ERR nil" + Suffix(nil));
}

TEST_F(LuaTest, AFailedCommandRaisesItsOwnError) {
  host_.replies = {{"get l", "-WRONGTYPE wrong kind\r\n"}};
  const std::string source = "\nreturn redis.call('get', 'l')";
  EXPECT_EQ(Run(source), "-WRONGTYPE wrong kind" + Suffix(source, 2));
  EXPECT_EQ(Run("return redis.pcall('get', 'l')"), "-WRONGTYPE wrong kind\r\n");
  EXPECT_EQ(Run("return redis.pcall('get', 'l').ignore_error_stats_update"), ":1\r\n");
  EXPECT_EQ(Run("return {pcall(redis.call, 'get', 'l')}"),
            "*2\r\n$-1\r\n$20\r\nWRONGTYPE wrong kind\r\n");
  EXPECT_EQ(Run("return select(2, xpcall(function() redis.call('get', 'l') end, "
                "function(e) return e.err end))"),
            "$20\r\nWRONGTYPE wrong kind\r\n");
}

TEST_F(LuaTest, ArgumentsOfACallAreStringsOrNumbers) {
  EXPECT_EQ(ErrorOf("redis.call()"),
            "ERR Please specify at least one argument for this redis lib call");
  EXPECT_EQ(ErrorOf("redis.call('get', {})"),
            "ERR Lua redis lib command arguments must be strings or integers");
  EXPECT_EQ(Run("return redis.pcall('get', nil).err"),
            "$63\r\nERR Lua redis lib command arguments must be strings or integers\r\n");
  EXPECT_TRUE(host_.calls.empty());
}

TEST_F(LuaTest, AScriptThatDoesNotCompileSaysWhere) {
  EXPECT_EQ(Run("syntax error("),
            "-ERR Error compiling script (new function): user_script:1: '=' expected near "
            "'error'\r\n");
  EXPECT_EQ(
      Run("#!lua\nreturn +"),
      "-ERR Error compiling script (new function): user_script:2: unexpected symbol near '+'\r\n");
}

TEST_F(LuaTest, RepliesMayNestOnlyAsDeepAsTheStack) {
  const std::string reply = Run("local t = {} t[1] = t return t");
  EXPECT_THAT(reply, StartsWith("*1\r\n*1\r\n"));
  EXPECT_THAT(reply, HasSubstr("-ERR reached lua stack limit\r\n"));
}

TEST_F(LuaTest, AReplyThatGrowsWithoutBoundIsAnError) {
  EXPECT_THAT(Run("local t = {} t[1] = t t[2] = t return t"), StartsWith("-ERR Error running"));
}

TEST_F(LuaTest, TooLittleMemoryIsAnError) {
  for (const char* bomb :
       {"local s = 'x' while true do s = s .. s end", "return string.rep('x', 2^30)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "return table.concat({string.rep('x', 1e7),"
        "string.rep('y', 1e7), string.rep('z', 1e7)})"}) {
    EXPECT_THAT(Run(bomb), StartsWith("-ERR ")) << bomb;
    EXPECT_EQ(Run("return 1"), ":1\r\n") << "the interpreter lives on after " << bomb;
  }
  EXPECT_LT(interpreter_.memory_used(), size_t{32} << 20);
}

TEST_F(LuaTest, RecursionWithoutEndIsAnError) {
  EXPECT_EQ(ErrorOf("local function f() return 1 + f() end return f()"),
            "ERR user_script:1: stack overflow");
  EXPECT_THAT(ErrorOf("local function f() return pcall(f) end error(select(2, f()))"),
              StartsWith("ERR "));
  EXPECT_EQ(ErrorOf("return unpack({}, 1, 8001)"), "ERR user_script:1: too many results to unpack");
  EXPECT_EQ(ErrorOf("return unpack({}, -2147483648, 2147483647)"),
            "ERR user_script:1: too many results to unpack");
  EXPECT_EQ(ErrorOf("return string.find(string.rep('a', 1e5), string.rep('a?', 1e5))"),
            "ERR user_script:1: pattern too complex");
}

TEST_F(LuaTest, AKilledScriptCannotGoOn) {
  host_.ticks_allowed = 2;
  for (const char* source :
       {"while true do end", "while true do pcall(function() while true do end end) end",
        "pcall(function() while true do end end) return 1",
        "xpcall(function() while true do end end, function() end) return 1",
        "coroutine.wrap(function() while true do end end)()",
        "coroutine.resume(coroutine.create(function() while true do end end)) return 5"}) {
    host_.ticks = 0;
    EXPECT_THAT(Run(source), StartsWith("-ERR Script killed by user with SCRIPT KILL..."))
        << source;
  }
  host_.ticks_allowed = 10'000;
  EXPECT_EQ(Run("return 1"), ":1\r\n");
}

TEST_F(LuaTest, ManyScriptsAreCompiledAgainWhenTheyRun) {
  LuaInterpreter interpreter{LuaOptions{.compiled_scripts = 2}};
  for (int i = 0; i < 20; ++i) {
    std::string out;
    ReplyWriter reply(&out, 2);
    interpreter.Run(**ParseScript("return " + std::to_string(i % 5)), {}, {}, host_, reply);
    EXPECT_EQ(out, ":" + std::to_string(i % 5) + "\r\n");
  }
}

TEST_F(LuaTest, AResetInterpreterForgetsSettings) {
  Run("cjson.encode_sparse_array(true)");
  EXPECT_EQ(Run("return tostring(cjson.encode_sparse_array())"), "$4\r\ntrue\r\n");
  interpreter_.Reset();
  EXPECT_EQ(Run("return tostring(cjson.encode_sparse_array())"), "$5\r\nfalse\r\n");
}

}  // namespace
}  // namespace chorale
