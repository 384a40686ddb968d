#include "broker/scripting/lua_struct.h"

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

class LuaStructTest : public LuaTest {
 protected:
  std::string Packed(const std::string& arguments) {
    const std::string reply = Run("return (struct.pack(" + arguments +
                                  "):gsub('.', function(c) return ('%02x'):format(c:byte()) end))");
    const size_t begin = reply.find('\n') + 1;
    return reply.substr(begin, reply.size() - begin - 2);
  }
};

TEST_F(LuaStructTest, IntegersHaveWidthAndEndianness) {
  EXPECT_EQ(Packed("'>I2<I2', 258, 258"), "01020201");
  EXPECT_EQ(Packed("'bBhH', -1, 2, -3, 4"), "ff02fdff0400");
  EXPECT_EQ(Packed("'>i3l', -2, 1"), "fffffe0000000000000001");
  EXPECT_EQ(Packed("'<i10', -1"), "ffffffffffffffff0000");
}

TEST_F(LuaStructTest, AlignmentPads) {
  EXPECT_EQ(Packed("'!bh', 1, 2"), "01000200");
  EXPECT_EQ(Packed("'!4bl', 1, 2").size(), 2U * 12);
  EXPECT_EQ(Packed("'bx b', 1, 2"), "010002");
  EXPECT_EQ(ErrorOf("struct.pack('!3b', 1)"), "ERR user_script:1: alignment 3 is not a power of 2");
}

TEST_F(LuaStructTest, StringsAreTerminatedCutOrWhole) {
  EXPECT_EQ(Packed("'sc2c0', 'ab', 'xyz', 'pq'"),
            "616200"
            "7879"
            "7071");
  EXPECT_EQ(ErrorOf("struct.pack('c3', 'ab')"),
            "ERR user_script:1: bad argument #3 to 'pack' (string too short)");
  EXPECT_EQ(Run("return {struct.unpack('sbc0', 'ab\\0\\2xyz')}"),
            "*3\r\n$2\r\nab\r\n$2\r\nxy\r\n:7\r\n");
}

TEST_F(LuaStructTest, WhatIsPackedCanBeUnpacked) {
  EXPECT_EQ(Run("return {struct.unpack('>bi3lfd', struct.pack('>bi3lfd', -1, -2, 3, 4, -5))}"),
            "*6\r\n:-1\r\n:-2\r\n:3\r\n:4\r\n:-5\r\n:25\r\n");
  EXPECT_EQ(Run("return {struct.unpack('B', '\\1\\2', 2)}"), "*2\r\n:2\r\n:3\r\n");
}

TEST_F(LuaStructTest, SizeCountsThePadding) {
  EXPECT_EQ(Run("return {struct.size('bhid'), struct.size('!bhid')}"), "*2\r\n:15\r\n:16\r\n");
  EXPECT_EQ(ErrorOf("struct.size('s')"),
            "ERR user_script:1: bad argument #1 to 'size' (option 's' has no fixed size)");
}

TEST_F(LuaStructTest, BadFormatsAndShortDataAreErrors) {
  EXPECT_EQ(ErrorOf("struct.pack('z')"),
            "ERR user_script:1: bad argument #1 to 'pack' (invalid format option 'z')");
  EXPECT_EQ(ErrorOf("struct.pack('i33', 1)"),
            "ERR user_script:1: integral size 33 is larger than limit of 32");
  EXPECT_EQ(ErrorOf("struct.pack('i99999999999', 1)"), "ERR user_script:1: integral size overflow");
  for (const char* arguments : {"'h', 'a'", "'b', 'a', 2", "'b', 'a', -5", "'bc0', '\\9ab'",
                                "'c2147483647', 'a'", "'s', 'a', 9"}) {
    EXPECT_EQ(ErrorOf(std::string("struct.unpack(") + arguments + ")"),
              "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)")
        << arguments;
  }
  EXPECT_EQ(ErrorOf("struct.unpack('s', 'abc')"), "ERR user_script:1: unfinished string in data");
  EXPECT_EQ(ErrorOf("struct.unpack('c0', 'abc')"),
            "ERR user_script:1: format 'c0' needs a previous size");
}

}  // namespace
}  // namespace chorale
