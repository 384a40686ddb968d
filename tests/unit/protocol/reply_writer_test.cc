#include "protocol/reply_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace chorale {
namespace {

// What `write` appends for a client of the version.
template <typename Write>
std::string Written(int version, Write write) {
  std::string out = "before|";
  ReplyWriter writer(&out, version);
  write(writer);
  EXPECT_EQ(out.substr(0, 7), "before|");
  return out.substr(7);
}

template <typename Write>
void ExpectInBoth(const std::string& expected, Write write) {
  EXPECT_EQ(Written(2, write), expected);
  EXPECT_EQ(Written(3, write), expected);
}

template <typename Write>
void ExpectEach(const std::string& resp2, const std::string& resp3, Write write) {
  EXPECT_EQ(Written(2, write), resp2);
  EXPECT_EQ(Written(3, write), resp3);
}

TEST(ReplyWriterTest, WritesStatusAndErrors) {
  ExpectInBoth("+OK\r\n", [](ReplyWriter& w) { w.Ok(); });
  ExpectInBoth("+QUEUED\r\n", [](ReplyWriter& w) { w.SimpleString("QUEUED"); });
  ExpectInBoth("-ERR no such key\r\n", [](ReplyWriter& w) { w.Error("ERR no such key"); });
}

TEST(ReplyWriterTest, AnErrorStaysOnOneLine) {
  ExpectInBoth("-ERR a  b c\r\n", [](ReplyWriter& w) { w.Error("ERR a\r\nb\nc"); });
  ExpectInBoth("-ERR a\r\n", [](ReplyWriter& w) { w.Error("ERR a\r\n"); });
}

TEST(ReplyWriterTest, WritesIntegersOfEverySize) {
  const auto integer = [](int64_t value) {
    return Written(2, [value](ReplyWriter& w) { w.Integer(value); });
  };
  EXPECT_EQ(integer(0), ":0\r\n");
  EXPECT_EQ(integer(9), ":9\r\n");
  EXPECT_EQ(integer(10), ":10\r\n");
  EXPECT_EQ(integer(-1), ":-1\r\n");
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::max()), ":9223372036854775807\r\n");
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::min()), ":-9223372036854775808\r\n");
}

TEST(ReplyWriterTest, WritesBulkStringsOfEveryLength) {
  for (size_t length : {0, 1, 9, 10, 63, 64, 65, 99, 100, 5000}) {
    const std::string bytes(length, '\r');
    ExpectInBoth("$" + std::to_string(length) + "\r\n" + bytes + "\r\n",
                 [&](ReplyWriter& w) { w.Bulk(bytes); });
  }
}

TEST(ReplyWriterTest, WritesAnEmptyViewAsAnEmptyBulkString) {
  ExpectInBoth("$0\r\n\r\n", [](ReplyWriter& w) { w.Bulk({}); });
}

TEST(ReplyWriterTest, WritesAnIntegerAsABulkString) {
  ExpectInBoth("$1\r\n7\r\n", [](ReplyWriter& w) { w.BulkInteger(7); });
  ExpectInBoth("$20\r\n-9223372036854775808\r\n",
               [](ReplyWriter& w) { w.BulkInteger(std::numeric_limits<int64_t>::min()); });
}

TEST(ReplyWriterTest, WritesNullsAndBooleansByVersion) {
  ExpectEach("$-1\r\n", "_\r\n", [](ReplyWriter& w) { w.Null(); });
  ExpectEach("*-1\r\n", "_\r\n", [](ReplyWriter& w) { w.NullArray(); });
  ExpectEach(":1\r\n", "#t\r\n", [](ReplyWriter& w) { w.Boolean(true); });
  ExpectEach(":0\r\n", "#f\r\n", [](ReplyWriter& w) { w.Boolean(false); });
}

TEST(ReplyWriterTest, WritesNumbersBeyondIntegersByVersion) {
  ExpectEach("$3\r\n1.5\r\n", ",1.5\r\n", [](ReplyWriter& w) { w.Double(1.5); });
  ExpectEach("$1\r\n3\r\n", ",3\r\n", [](ReplyWriter& w) { w.Double(3); });
  ExpectEach("$4\r\n-inf\r\n", ",-inf\r\n",
             [](ReplyWriter& w) { w.Double(-std::numeric_limits<double>::infinity()); });
  ExpectEach("$22\r\n1234567890123456789012\r\n", "(1234567890123456789012\r\n",
             [](ReplyWriter& w) { w.BigNumber("1234567890123456789012"); });
}

TEST(ReplyWriterTest, WritesVerbatimTextByVersion) {
  ExpectEach("$4\r\ntext\r\n", "=8\r\ntxt:text\r\n",
             [](ReplyWriter& w) { w.Verbatim("txt", "text"); });
}

TEST(ReplyWriterTest, WritesAggregatesByVersion) {
  ExpectInBoth("*0\r\n", [](ReplyWriter& w) { w.ArrayHeader(0); });
  ExpectInBoth("*1048576\r\n", [](ReplyWriter& w) { w.ArrayHeader(1048576); });
  ExpectEach("*6\r\n", "%3\r\n", [](ReplyWriter& w) { w.MapHeader(3); });
  ExpectEach("*2\r\n", "~2\r\n", [](ReplyWriter& w) { w.SetHeader(2); });
  ExpectEach("*3\r\n", ">3\r\n", [](ReplyWriter& w) { w.PushHeader(3); });
  EXPECT_EQ(Written(3, [](ReplyWriter& w) { w.AttributeHeader(1); }), "|1\r\n");
}

TEST(ReplyWriterTest, TheVersionMayChangeBetweenReplies) {
  std::string out;
  ReplyWriter writer(&out, 2);
  writer.Null();
  writer.set_version(3);
  writer.Null();
  EXPECT_EQ(out, "$-1\r\n_\r\n");
  EXPECT_EQ(writer.version(), 3);
}

}  // namespace
}  // namespace chorale
