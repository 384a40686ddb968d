#include "broker/scripting/lua_cmsgpack.h"

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

class LuaCmsgpackTest : public LuaTest {
 protected:
  // The bytes of pack(...) in hexadecimal.
  std::string Packed(const std::string& arguments) {
    const std::string reply = Run("return (cmsgpack.pack(" + arguments +
                                  "):gsub('.', function(c) return ('%02x'):format(c:byte()) end))");
    const size_t begin = reply.find('\n') + 1;
    return reply.substr(begin, reply.size() - begin - 2);
  }
};

TEST_F(LuaCmsgpackTest, IntegersTakeTheFewestBytes) {
  EXPECT_EQ(Packed("0, 127, 128, 255, 256"), "007fcc80ccffcd0100");
  EXPECT_EQ(Packed("65536, 4294967296"), "ce00010000cf0000000100000000");
  EXPECT_EQ(Packed("-1, -32, -33, -128, -129"), "ffe0d0dfd080d1ff7f");
  EXPECT_EQ(Packed("-32769, -2147483649"), "d2ffff7fffd3ffffffff7fffffff");
}

TEST_F(LuaCmsgpackTest, NumbersWithAFractionAreFloatsWhereThatIsExact) {
  EXPECT_EQ(Packed("0.5, 0.1"), "ca3f000000cb3fb999999999999a");
  EXPECT_EQ(Packed("1/0"), "ca7f800000");
}

TEST_F(LuaCmsgpackTest, OtherValues) {
  EXPECT_EQ(Packed("nil, true, false, 'ab', redis.call, cjson.null"), "c0c3c2a26162c0c0");
  EXPECT_EQ(Packed("('x'):rep(32)").substr(0, 6), "d92078");
  EXPECT_EQ(Packed("('x'):rep(256)").substr(0, 8), "da010078");
}

TEST_F(LuaCmsgpackTest, ATableIsAnArrayOnlyWithoutGaps) {
  EXPECT_EQ(Packed("{}, {1, 2}, {a = 1}, {[2] = 1}"),
            "90920102"
            "81a16101"
            "810201");
  EXPECT_EQ(Packed("(function() local t = {} for i = 1, 16 do t[i] = 1 end return t end)()"),
            "dc001001010101010101010101010101010101");
}

TEST_F(LuaCmsgpackTest, NestingEndsAtSixteen) {
  EXPECT_EQ(Packed("(function() local t = {} for i = 1, 20 do t = {t} end return t end)()"),
            "91919191919191919191919191919191c0");
}

TEST_F(LuaCmsgpackTest, WhatIsPackedCanBeUnpacked) {
  EXPECT_EQ(Run("local t = cmsgpack.unpack(cmsgpack.pack({1, -5, 'x', {a = {true}}})) "
                "return {t[1], t[2], t[3], t[4].a[1]}"),
            "*4\r\n:1\r\n:-5\r\n$1\r\nx\r\n:1\r\n");
  EXPECT_EQ(Run("return {cmsgpack.unpack('\\1\\2\\3')}"), "*3\r\n:1\r\n:2\r\n:3\r\n");
}

TEST_F(LuaCmsgpackTest, UnpackingInStepsTellsTheOffset) {
  EXPECT_EQ(Run("return {cmsgpack.unpack_one('\\1\\2\\3')}"), "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(Run("return {cmsgpack.unpack_one('\\1\\2\\3', 2)}"), "*2\r\n:-1\r\n:3\r\n");
  EXPECT_EQ(Run("return {cmsgpack.unpack_limit('\\1\\2\\3', 2)}"), "*3\r\n:2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(ErrorOf("cmsgpack.unpack_one('\\1', 2)"),
            "ERR user_script:1: Start offset 2 greater than input length 1.");
  EXPECT_EQ(ErrorOf("cmsgpack.unpack_limit('\\1', -1)"),
            "ERR user_script:1: Invalid request to unpack with offset of 0 and limit of 1.");
}

TEST_F(LuaCmsgpackTest, BadInputIsAnError) {
  for (const char* input : {"\\146\\1", "\\165ab", "\\221\\255\\255\\255\\255", "\\205\\1",
                            "\\219\\255\\255\\255\\255"}) {
    EXPECT_EQ(ErrorOf(std::string("cmsgpack.unpack('") + input + "')"),
              "ERR user_script:1: Missing bytes in input.")
        << input;
  }
  EXPECT_EQ(ErrorOf("cmsgpack.unpack('\\193')"), "ERR user_script:1: Bad data format in input.");
  EXPECT_TRUE(ErrorOf("cmsgpack.unpack(string.rep('\\145', 9000))")
                  .starts_with("ERR user_script:1: stack overflow"));
  EXPECT_EQ(ErrorOf("cmsgpack.unpack('\\129\\192\\1')"), "ERR table index is nil");
  EXPECT_EQ(ErrorOf("cmsgpack.pack()"),
            "ERR user_script:1: bad argument #0 to 'pack' (MessagePack pack needs input.)");
}

}  // namespace
}  // namespace chorale
