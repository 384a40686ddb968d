#include "clients/cpp/reply_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply_writer.h"
#include "tests/unit/clients/parse_replies.h"

namespace chorale::client {
namespace {

using ::testing::ElementsAre;

// The one reply that the stream holds.
std::string Read(std::string_view stream, const ReplyLimits& limits = {}) {
  const ParsedReplies parsed = ParseReplies(stream, limits);
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.consumed, stream.size());
  return parsed.replies.size() == 1 ? parsed.replies[0] : "not one reply";
}

std::string ErrorOf(std::string_view stream, const ReplyLimits& limits = {}) {
  return ParseReplies(stream, limits).error;
}

// Holds the bytes of a reply beside its value.
struct Parsed {
  explicit Parsed(std::string text) : stream(std::move(text)) {
    EXPECT_EQ(parser.Parse(stream), ReplyParser::Result::kReply);
  }
  Value value() const { return parser.value(); }

  const std::string stream;
  ReplyParser parser;
};

// Streams of every form: whole, broken, ended early.
std::vector<std::string> Corpus() {
  using namespace std::string_literals;
  return {
      "+OK\r\n",
      "+\r\n",
      "-ERR unknown command\r\n-CHANNELFULL the channel is at its capacity\r\n",
      ":0\r\n:-1\r\n:+7\r\n:9223372036854775807\r\n:-9223372036854775808\r\n",
      "$5\r\nhello\r\n$0\r\n\r\n$4\r\n\r\n\0\xff\r\n"s,
      "$-1\r\n*-1\r\n_\r\n",
      ",1.5\r\n,10\r\n,-inf\r\n,inf\r\n,nan\r\n,1e+21\r\n",
      "#t\r\n#f\r\n",
      "(3492890328409238509324850943850943825024385\r\n(-12\r\n",
      "!21\r\nSYNTAX invalid syntax\r\n",
      "=15\r\ntxt:Some string\r\n=4\r\nmkd:\r\n",
      "*0\r\n*3\r\n:1\r\n$1\r\na\r\n*2\r\n+x\r\n_\r\n",
      "%2\r\n+first\r\n:1\r\n+second\r\n%1\r\n+a\r\n*0\r\n%0\r\n",
      "~3\r\n#t\r\n:1\r\n,2\r\n~0\r\n",
      ">3\r\n+message\r\n+channel\r\n$2\r\nhi\r\n+OK\r\n>0\r\n",
      "|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|2\r\n+a\r\n*1\r\n:1\r\n+b\r\n_\r\n:2\r\n|0\r\n+OK\r\n",
      ">5\r\n$13\r\ngroup-message\r\n:716253441\r\n:2\r\n$4\r\nchat\r\n$5\r\nhello\r\n",
      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
      "*2\r\n:1\r\n",
      "$10\r\nabc",
      "+never ended",
      // ---- malformed ----
      "\r\n",
      "PING\r\n",
      "+OK\rX",
      "+OK\r\r\n",
      ":\r\n",
      ":1.5\r\n",
      ":9223372036854775808\r\n",
      ":+-1\r\n",
      "$-2\r\n",
      "$x\r\n",
      "$?\r\n",
      "$99999999999999999999\r\n",
      "$1\r\nab\r\n",
      "$1\r\na\r\r\n",
      "!-1\r\n",
      "=3\r\ntxt\r\n",
      "=5\r\ntxt.a\r\n",
      "=-1\r\n",
      "*-2\r\n",
      "*99999999999\r\n",
      "%-1\r\n",
      ">-1\r\n",
      "*1\r\n>1\r\n:1\r\n",
      "_x\r\n",
      "#\r\n",
      "#true\r\n",
      ",\r\n",
      ",1,5\r\n",
      "(1.5\r\n",
      "(\r\n",
      "(-\r\n",
  };
}

TEST(ReplyParserTest, ReadsEveryTypeOfResp2) {
  EXPECT_EQ(Read("+OK\r\n"), "simple(OK)");
  EXPECT_EQ(Read("-ERR no\r\n"), "error(ERR no)");
  EXPECT_EQ(Read(":-42\r\n"), "-42");
  EXPECT_EQ(Read("$5\r\nhello\r\n"), "bulk(hello)");
  EXPECT_EQ(Read("$0\r\n\r\n"), "bulk()");
  EXPECT_EQ(Read("*2\r\n:1\r\n$1\r\na\r\n"), "array(1 bulk(a))");
  EXPECT_EQ(Read("*0\r\n"), "array()");
  EXPECT_EQ(Read("$-1\r\n"), "null");
  EXPECT_EQ(Read("*-1\r\n"), "null");
}

TEST(ReplyParserTest, ReadsEveryTypeOfResp3) {
  EXPECT_EQ(Read("_\r\n"), "null");
  EXPECT_EQ(Read("#t\r\n"), "true");
  EXPECT_EQ(Read("#f\r\n"), "false");
  EXPECT_EQ(Read(",1.25\r\n"), "double(1.25)");
  EXPECT_EQ(Read(",-inf\r\n"), "double(-inf)");
  EXPECT_EQ(Read(",nan\r\n"), "double(nan)");
  EXPECT_EQ(Read("(-12345678901234567890\r\n"), "big(-12345678901234567890)");
  EXPECT_EQ(Read("!5\r\nERR a\r\n"), "error(ERR a)");
  EXPECT_EQ(Read("=8\r\nmkd:text\r\n"), "mkd(text)");
  EXPECT_EQ(Read("%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n"), "map(simple(a) 1 simple(b) 2)");
  EXPECT_EQ(Read("~2\r\n+a\r\n+b\r\n"), "set(simple(a) simple(b))");
  EXPECT_EQ(Read(">2\r\n+message\r\n$1\r\nx\r\n"), "push(simple(message) bulk(x))");
}

TEST(ReplyParserTest, LeavesAttributesOutWhereverTheyStand) {
  EXPECT_EQ(Read("|1\r\n+ttl\r\n:1\r\n+OK\r\n"), "simple(OK)");
  EXPECT_EQ(Read("|0\r\n|1\r\n+a\r\n*1\r\n|1\r\n+b\r\n+c\r\n+d\r\n+OK\r\n"), "simple(OK)");
  EXPECT_EQ(Read("*2\r\n|1\r\n+ttl\r\n:1\r\n:1\r\n:2\r\n"), "array(1 2)");
}

TEST(ReplyParserTest, ReadsRepliesOneAfterTheOther) {
  EXPECT_THAT(ParseReplies("+OK\r\n:1\r\n>1\r\n+x\r\n$1\r\na\r\n").replies,
              ElementsAre("simple(OK)", "1", "push(simple(x))", "bulk(a)"));
}

TEST(ReplyParserTest, ATextMayHoldAnyBytes) {
  const std::string bytes("\0\r\n$1\r\n\xff", 8);
  EXPECT_EQ(Read("$8\r\n" + bytes + "\r\n"), "bulk(" + bytes + ")");
}

TEST(ReplyParserTest, ReadsTheSameHoweverTheStreamIsCut) {
  for (const std::string& stream : Corpus()) {
    const ParsedReplies whole = ParseReplies(stream);
    EXPECT_EQ(ParseRepliesInPieces(stream, std::vector<size_t>{1}), whole) << stream;
    for (size_t cut = 1; cut < stream.size(); ++cut) {
      const std::vector<size_t> sizes = {cut, stream.size() - cut};
      EXPECT_EQ(ParseRepliesInPieces(stream, sizes), whole) << stream << " cut at " << cut;
    }
  }
}

TEST(ReplyParserTest, ReadsWhatTheReplyWriterWrites) {
  for (const int version : {2, 3}) {
    std::string out;
    ReplyWriter writer(&out, version);
    writer.ArrayHeader(9);
    writer.Ok();
    writer.Error("ERR a");
    writer.Integer(-5);
    writer.Null();
    writer.NullArray();
    writer.MapHeader(1);
    writer.Bulk("key");
    writer.SetHeader(1);
    writer.Bulk("member");
    writer.Double(0.1);
    writer.Boolean(true);
    writer.Verbatim("txt", "text");
    EXPECT_EQ(Read(out),
              version == 3
                  ? "array(simple(OK) error(ERR a) -5 null null map(bulk(key) set(bulk(member))) "
                    "double(0.1) true txt(text))"
                  : "array(simple(OK) error(ERR a) -5 null null array(bulk(key) "
                    "array(bulk(member))) bulk(0.1) 1 bulk(text))");
  }
}

TEST(ReplyParserTest, RefusesWhatIsNoReply) {
  EXPECT_EQ(ErrorOf("\r\n"), "an empty line where a value should be");
  EXPECT_EQ(ErrorOf("PING\r\n"), "an unknown type of value");
  EXPECT_EQ(ErrorOf("+OK\rX"), "a CR without an LF");
  EXPECT_EQ(ErrorOf(":1.5\r\n"), "an integer that is none");
  EXPECT_EQ(ErrorOf(":9223372036854775808\r\n"), "an integer that is none");
  EXPECT_EQ(ErrorOf(",1,5\r\n"), "a double that is none");
  EXPECT_EQ(ErrorOf("(1.5\r\n"), "a big number that is none");
  EXPECT_EQ(ErrorOf("#true\r\n"), "a boolean that is neither t nor f");
  EXPECT_EQ(ErrorOf("_x\r\n"), "a null with something in it");
  EXPECT_EQ(ErrorOf("$-2\r\n"), "a length that is no number");
  EXPECT_EQ(ErrorOf("$?\r\n"), "a length that is no number");
  EXPECT_EQ(ErrorOf("*-2\r\n"), "a length that is no number");
  EXPECT_EQ(ErrorOf("$1\r\nab\r\n"), "a text that is longer than announced");
  EXPECT_EQ(ErrorOf("=3\r\ntxt\r\n"), "a verbatim string without a format");
  EXPECT_EQ(ErrorOf("*1\r\n>1\r\n:1\r\n"), "a push within a reply");
}

TEST(ReplyParserTest, RepliesBeforeAnErrorAreRead) {
  const ParsedReplies parsed = ParseReplies("+OK\r\n:1\r\nnonsense\r\n");
  EXPECT_THAT(parsed.replies, ElementsAre("simple(OK)", "1"));
  EXPECT_EQ(parsed.error, "an unknown type of value");
}

TEST(ReplyParserTest, AReplyBeyondALimitIsAnError) {
  EXPECT_EQ(ErrorOf("$11\r\n", {.max_bytes = 10}), "the reply is larger than the limit");
  EXPECT_EQ(ErrorOf("*9\r\n:1\r\n:2\r\n:3", {.max_bytes = 10}),
            "the reply is larger than the limit");
  EXPECT_EQ(ErrorOf("*11\r\n", {.max_values = 10}), "the reply has more values than the limit");
  EXPECT_EQ(ErrorOf("*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n", {.max_values = 4}),
            "the reply has more values than the limit");
  EXPECT_EQ(ErrorOf("*1\r\n*1\r\n*1\r\n", {.max_depth = 2}),
            "the reply is nested deeper than the limit");
  EXPECT_EQ(ErrorOf("+12345", {.max_line_bytes = 5}), "a line is longer than the limit");
  EXPECT_EQ(Read("*2\r\n*1\r\n:1\r\n:2\r\n", {.max_values = 4, .max_depth = 2}),
            "array(array(1) 2)");
}

// `|0` is a value that takes no memory, so that a stream of them must be bounded as well.
TEST(ReplyParserTest, EmptyAttributesCountAsValues) {
  EXPECT_EQ(ErrorOf("|0\r\n|0\r\n|0\r\n+OK\r\n", {.max_values = 3}),
            "the reply has more values than the limit");
}

TEST(ReplyParserTest, TellsHowManyBytesItWaitsFor) {
  ReplyReader reader({});
  reader.Feed("*2\r\n:1\r\n$1000\r\nabc");
  EXPECT_EQ(reader.parser().bytes_wanted(), 15u + 1000u + 2u);
  reader.Feed(std::string(997, 'x') + "\r\n");
  EXPECT_EQ(reader.parser().bytes_wanted(), 1u);
  EXPECT_EQ(reader.result().replies.size(), 1u);
  EXPECT_EQ(reader.buffered(), 0u);
}

// A reply that has come near to two limits at once: which one it breaks is not to depend on how it
// is cut.
TEST(ReplyParserTest, TheErrorOfTwoLimitsIsTheSameHoweverTheReplyIsCut) {
  const ReplyLimits limits{.max_bytes = 16, .max_values = 3, .max_depth = 2};
  const std::string_view stream = "*3\r\n+abcd\r\n:1\r\n:2\r\n";
  const ParsedReplies whole = ParseReplies(stream, limits);
  EXPECT_EQ(whole.error, "the reply has more values than the limit");
  EXPECT_EQ(ParseRepliesInPieces(stream, std::vector<size_t>{1}, limits), whole);
}

TEST(ReplyParserTest, AnAnnouncedSizeTakesNoMemory) {
  ReplyParser parser;
  EXPECT_EQ(parser.Parse("*16000000\r\n*16000000\r\n$1000000000\r\n"),
            ReplyParser::Result::kNeedMore);
}

TEST(ReplyParserTest, ResetForgetsAReplyThatWasBegunAndAnError) {
  ReplyParser parser;
  EXPECT_EQ(parser.Parse("*2\r\n:1\r\n"), ReplyParser::Result::kNeedMore);
  parser.Reset();
  EXPECT_EQ(parser.Parse("nonsense\r\n"), ReplyParser::Result::kError);
  EXPECT_EQ(parser.Parse("+OK\r\n"), ReplyParser::Result::kError);
  parser.Reset();
  EXPECT_EQ(parser.error(), "");
  EXPECT_EQ(parser.Parse("+OK\r\n"), ReplyParser::Result::kReply);
}

TEST(ValueTest, AnElementIsFoundByItsIndexBehindNestedOnes) {
  const Parsed parsed("*4\r\n*2\r\n:1\r\n*1\r\n:2\r\n%1\r\n+k\r\n+v\r\n*0\r\n:9\r\n");
  const Value value = parsed.value();
  EXPECT_EQ(value.size(), 4u);
  EXPECT_EQ(value[0][1][0].integer(), 2);
  EXPECT_EQ(value[1][1].text(), "v");
  EXPECT_EQ(value[2].size(), 0u);
  EXPECT_EQ(value[3].integer(), 9);
}

TEST(ValueTest, AskedForAnotherTypeItIsEmpty) {
  const Parsed parsed("*2\r\n:1\r\n$1\r\na\r\n");
  const Value value = parsed.value();
  EXPECT_TRUE(value[2].is_null());
  EXPECT_TRUE(value[0][0].is_null());
  EXPECT_EQ(value[0].text(), "");
  EXPECT_EQ(value[0].number(), 0);
  EXPECT_FALSE(value[0].boolean());
  EXPECT_EQ(value[1].integer(), 0);
  EXPECT_EQ(value[1].error_code(), "");
  EXPECT_EQ(value[1].verbatim_format(), "");
  EXPECT_EQ(value.text(), "");
  EXPECT_TRUE(Value().is_null());
  EXPECT_EQ(Value().size(), 0u);
  EXPECT_TRUE(Value().begin() == Value().end());
}

TEST(ValueTest, AnErrorsFirstWordIsItsCode) {
  EXPECT_EQ(Parsed("-CHANNELFULL no\r\n").value().error_code(), "CHANNELFULL");
  EXPECT_EQ(Parsed("-OOM\r\n").value().error_code(), "OOM");
}

TEST(ValueTest, PrintsItselfInOneLine) {
  EXPECT_EQ(Parsed("*5\r\n$1\r\na\r\n:1\r\n%2\r\n+k\r\n#t\r\n+l\r\n,0.5\r\n~1\r\n_\r\n*0\r\n")
                .value()
                .ToString(),
            "[a, 1, {k: true, l: 0.5}, {null}, []]");
}

}  // namespace
}  // namespace chorale::client
