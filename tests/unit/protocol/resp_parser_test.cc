#include "protocol/resp_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/unit/protocol/parse_stream.h"

namespace chorale {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Command = std::vector<std::string>;

std::string Encode(const Command& command) {
  std::string out = "*" + std::to_string(command.size()) + "\r\n";
  for (const std::string& argument : command) {
    out += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return out;
}

std::string ErrorOf(std::string_view stream, const ParserLimits& limits = {}) {
  return ParseWhole(stream, limits).error;
}

// The one command that an inline line holds.
Command Inline(const std::string& line) {
  const ParsedStream parsed = ParseWhole(line + "\r\n");
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.commands.size(), 1u);
  return parsed.commands.empty() ? Command{} : parsed.commands[0];
}

// Streams of every form: whole, broken, ended early.
std::vector<std::string> Corpus() {
  using namespace std::string_literals;
  return {
      Encode({"PING"}),
      Encode({"SET", "key", "value"}) + Encode({"GET", "key"}),
      Encode({"SET", "", std::string("\0\r\n$3\r\n", 7)}),
      Encode({"ECHO", std::string(300, 'x')}) + "PING\r\n" + Encode({"PING"}),
      "PING\nPING\r\n\r\n\n  \r\nGET key\r\n",
      "SET \"a b\" 'c\\'d' e\"\\x41\\n\\q\\xZ\"\r\n",
      "*0\r\n*-1\r\n" + Encode({"PING"}),
      "*1\rX$4\rXPINGXX*1\r\n$4\r\nPING\r\n",
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
      "PING \"open\r\nPING\r\n",
      "PING 'a'b\r\n",
      "*a\r\n",
      "*\r\n",
      "*01\r\n",
      "*-0\r\n",
      "*99999999999999999999\r\n",
      "*2000000\r\n",
      "*1\r\n+PING\r\n",
      "*1\r\n\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n$x\r\n",
      "*1\r\n$9223372036854775807\r\n",
      "*1\r\n$0000000000000000000000000000000\r\n",
      "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$10\r\nshor",
      "\0\x01\xff\x80*1\r\n\n"s,
  };
}

TEST(RespParserTest, ReadsAnArrayOfBulkStrings) {
  const ParsedStream parsed = ParseWhole(Encode({"SET", "key", "a value"}));
  EXPECT_THAT(parsed.commands, ElementsAre(Command{"SET", "key", "a value"}));
  EXPECT_TRUE(parsed.idle);
}

TEST(RespParserTest, ReadsEveryCommandOfAPipeline) {
  const ParsedStream parsed = ParseWhole(Encode({"PING"}) + "ECHO hi\n" + Encode({"GET", "k"}));
  EXPECT_THAT(parsed.commands,
              ElementsAre(Command{"PING"}, Command{"ECHO", "hi"}, Command{"GET", "k"}));
}

TEST(RespParserTest, ArgumentsAreViewsIntoTheStream) {
  const std::string stream = Encode({"ECHO", "payload"});
  RespParser parser;
  ASSERT_EQ(parser.Parse(stream, {}), RespParser::Result::kCommand);
  EXPECT_EQ(parser.arguments()[1].data(), stream.data() + stream.find("payload"));
  EXPECT_EQ(parser.command_size(), stream.size());
}

TEST(RespParserTest, ArgumentsMayHoldAnyByte) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  EXPECT_THAT(ParseWhole(Encode({"ECHO", bytes})).commands, ElementsAre(Command{"ECHO", bytes}));
}

TEST(RespParserTest, EmptyAndNegativeArraysAndEmptyLinesAreCommandsWithoutArguments) {
  const ParsedStream parsed = ParseWhole("*0\r\n*-1\r\n*-7\r\n\r\n\n   \r\n");
  EXPECT_THAT(parsed.commands,
              ElementsAre(Command{}, Command{}, Command{}, Command{}, Command{}, Command{}));
  EXPECT_TRUE(parsed.idle);
}

TEST(RespParserTest, CuttingAStreamInTwoAnywhereChangesNothing) {
  for (const std::string& stream : Corpus()) {
    const ParsedStream whole = ParseWhole(stream);
    for (size_t cut = 1; cut < stream.size(); ++cut) {
      EXPECT_EQ(ParseInPieces(stream, std::vector<size_t>{cut, stream.size()}), whole)
          << "cut at " << cut << " of " << stream;
    }
  }
}

TEST(RespParserTest, CuttingAStreamInThreeAnywhereChangesNothing) {
  const std::string stream =
      Encode({"SET", "k", "v\r\n"}) + "A \"\\x41 b\" 'c'\r\n" + Encode({"X"});
  const ParsedStream whole = ParseWhole(stream);
  for (size_t first = 1; first < stream.size(); ++first) {
    for (size_t second = 1; first + second < stream.size(); ++second) {
      ASSERT_EQ(ParseInPieces(stream, std::vector<size_t>{first, second, stream.size()}), whole);
    }
  }
}

TEST(RespParserTest, ByteByByteGivesTheSameCommandsAndErrors) {
  for (const std::string& stream : Corpus()) {
    EXPECT_EQ(ParseInPieces(stream, std::vector<size_t>{1}), ParseWhole(stream)) << stream;
  }
}

TEST(RespParserTest, RandomCommandsInRandomPiecesComeBackUnchanged) {
  std::mt19937 random(20240501);
  const auto below = [&random](size_t bound) { return random() % bound; };
  for (int round = 0; round < 500; ++round) {
    std::vector<Command> commands(1 + below(8));
    std::string stream;
    for (Command& command : commands) {
      command.resize(1 + below(6));
      for (std::string& argument : command) {
        argument.resize(below(4) == 0 ? below(2000) : below(12));
        for (char& c : argument) c = static_cast<char>(below(256));
      }
      stream += Encode(command);
    }
    const std::vector<size_t> sizes = {1 + below(7), 1 + below(700), 1 + below(40)};
    const ParsedStream parsed = ParseInPieces(stream, sizes);
    ASSERT_EQ(parsed.commands, commands) << "round " << round;
    ASSERT_EQ(parsed.consumed, stream.size());
    ASSERT_TRUE(parsed.idle);
  }
}

TEST(RespParserTest, InlineWordsStandBetweenSpaces) {
  EXPECT_EQ(Inline("GET key"), (Command{"GET", "key"}));
  EXPECT_EQ(Inline("  GET \t\v key \f "), (Command{"GET", "key"}));
  EXPECT_EQ(Inline("PING a\rb"), (Command{"PING", "a", "b"}));
  EXPECT_EQ(Inline("PING a\vb"), (Command{"PING", "a\vb"}));
}

TEST(RespParserTest, InlineDoubleQuotesKeepSpacesAndKnowEscapes) {
  EXPECT_EQ(Inline(R"(SET "a b" "")"), (Command{"SET", "a b", ""}));
  EXPECT_EQ(Inline(R"(PING "\x41\n\r\t\b\a\\\"\q")"), (Command{"PING", "A\n\r\t\b\a\\\"q"}));
  EXPECT_EQ(Inline(R"(PING "\xZZ\x4")"), (Command{"PING", "xZZx4"}));
  EXPECT_EQ(Inline(R"(PING "\x00\xfF")"), (Command{"PING", std::string("\0\xff", 2)}));
  EXPECT_EQ(Inline(R"(PING "it's")"), (Command{"PING", "it's"}));
}

TEST(RespParserTest, InlineSingleQuotesKeepEverythingButAnEscapedQuote) {
  EXPECT_EQ(Inline(R"(PING 'a\'b\n "c" ')"), (Command{"PING", R"(a'b\n "c" )"}));
}

TEST(RespParserTest, InlineQuotesMayFollowPlainTextInAWord) {
  EXPECT_EQ(Inline(R"(PING a"b c" d'e f')"), (Command{"PING", "ab c", "de f"}));
}

TEST(RespParserTest, ManyQuotedInlineWordsStayValidTogether) {
  std::string line = "X";
  Command expected = {"X"};
  for (int i = 0; i < 200; ++i) {
    line += " \"word " + std::to_string(i) + "\"";
    expected.push_back("word " + std::to_string(i));
  }
  EXPECT_EQ(Inline(line), expected);
}

TEST(RespParserTest, InlineQuotesMustBeClosedAndFollowedByASpace) {
  const std::string error = "Protocol error: unbalanced quotes in request";
  for (const char* line : {"PING \"a", "PING 'a", "PING \"a\"b", "PING 'a'b", "PING \"a\\\"",
                           "PING \"\\", "PING 'a\\'", "\"", "'"}) {
    EXPECT_EQ(ErrorOf(std::string(line) + "\r\n"), error) << line;
    EXPECT_EQ(ErrorOf(std::string(line) + "\n"), error) << line;
  }
}

TEST(RespParserTest, ArgumentCountMustBeACanonicalNumberWithinTheLimit) {
  const std::string error = "Protocol error: invalid multibulk length";
  for (const char* count : {"a", "", "01", "+1", "-0", " 1", "1 ", "1a", "2147483648", "1048577",
                            "99999999999999999999999"}) {
    EXPECT_EQ(ErrorOf("*" + std::string(count) + "\r\n"), error) << count;
  }
  EXPECT_EQ(ErrorOf("*1048576\r\n"), "");
  EXPECT_EQ(ErrorOf("*4\r\n", {.max_arguments = 3}), error);
  EXPECT_EQ(ErrorOf("*3\r\n", {.max_arguments = 3}), "");
}

TEST(RespParserTest, BulkLengthMustBeACanonicalNumberWithinTheLimit) {
  const std::string error = "Protocol error: invalid bulk length";
  for (const char* length : {"a", "", "04", "+4", "-1", "-0", "4x", "536870913",
                             "9223372036854775807", "9223372036854775808"}) {
    EXPECT_EQ(ErrorOf("*1\r\n$" + std::string(length) + "\r\n"), error) << length;
  }
  EXPECT_EQ(ErrorOf("*1\r\n$536870912\r\n"), "");
  EXPECT_EQ(ErrorOf("*1\r\n$9\r\n", {.max_bulk_length = 8}), error);
  EXPECT_EQ(ErrorOf("*1\r\n$8\r\n", {.max_bulk_length = 8}), "");
}

TEST(RespParserTest, ArgumentsMustBeBulkStrings) {
  EXPECT_EQ(ErrorOf("*1\r\n+PING\r\n"), "Protocol error: expected '$', got '+'");
  EXPECT_EQ(ErrorOf("*2\r\n$4\r\nECHO\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
  EXPECT_EQ(ErrorOf("*1\r\n\r\n"), "Protocol error: expected '$', got '\r'");
  EXPECT_EQ(ErrorOf("*1\r\nX"), "") << "Redis waits for the end of the line";
}

TEST(RespParserTest, LinesHaveALimit) {
  const ParserLimits limits;
  const size_t limit = static_cast<size_t>(limits.max_inline_length);
  EXPECT_EQ(ErrorOf(std::string(limit, 'a')), "");
  EXPECT_EQ(ErrorOf(std::string(limit, 'a') + "\n"), "");
  EXPECT_EQ(ErrorOf(std::string(limit + 1, 'a')), "Protocol error: too big inline request");
  EXPECT_EQ(ErrorOf(std::string(limit + 1, 'a') + "\n"), "Protocol error: too big inline request");
  EXPECT_EQ(ErrorOf("*" + std::string(limit - 1, '1')), "");
  EXPECT_EQ(ErrorOf("*" + std::string(limit, '1')), "Protocol error: too big mbulk count string");
  EXPECT_EQ(ErrorOf("*1\r\n$" + std::string(limit - 1, '1')), "");
  EXPECT_EQ(ErrorOf("*1\r\n$" + std::string(limit, '1')),
            "Protocol error: too big bulk count string");
}

TEST(RespParserTest, LineLimitsHoldAtEveryCut) {
  const ParserLimits limits = {.max_inline_length = 5};
  for (const char* stream :
       {"abcde\n", "abcdef\n", "abcdefg", "*00000\r\n", "*000000\r\n", "*1\r\n$0000\r\n",
        "*1\r\n$00000\r\n", "*12345\r\n", "*1\r\n$12345\r\n"}) {
    EXPECT_EQ(ParseInPieces(stream, std::vector<size_t>{1}, limits), ParseWhole(stream, limits))
        << stream;
  }
}

TEST(RespParserTest, UnauthenticatedClientsHaveTighterLimits) {
  const ParserLimits limits = {.authenticated = false};
  EXPECT_EQ(ErrorOf("*10\r\n", limits), "");
  EXPECT_EQ(ErrorOf("*11\r\n", limits), "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(ErrorOf("*1\r\n$16384\r\n", limits), "");
  EXPECT_EQ(ErrorOf("*1\r\n$16385\r\n", limits), "Protocol error: unauthenticated bulk length");
}

TEST(RespParserTest, CommandsBeforeAnErrorAreStillRead) {
  const ParsedStream parsed = ParseWhole(Encode({"PING"}) + "*x\r\n" + Encode({"PING"}));
  EXPECT_THAT(parsed.commands, ElementsAre(Command{"PING"}));
  EXPECT_EQ(parsed.error, "Protocol error: invalid multibulk length");
}

TEST(RespParserTest, AnErrorIsFinal) {
  RespParser parser;
  ASSERT_EQ(parser.Parse("*x\r\n", {}), RespParser::Result::kError);
  EXPECT_EQ(parser.Parse(Encode({"PING"}), {}), RespParser::Result::kError);
  EXPECT_FALSE(parser.idle());
}

TEST(RespParserTest, TellsTheSizeThatHoldsABulkStringWhole) {
  RespParser parser;
  const std::string start = "*2\r\n$4\r\nECHO\r\n$1000000\r\n";
  ASSERT_EQ(parser.Parse(start, {}), RespParser::Result::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), start.size() + 1000000 + 2);
  std::string stream = start + std::string(1000000, 'x');
  ASSERT_EQ(parser.Parse(stream, {}), RespParser::Result::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), start.size() + 1000000 + 2);
  stream += "\r\n";
  ASSERT_EQ(parser.Parse(stream, {}), RespParser::Result::kCommand);
  EXPECT_EQ(parser.arguments()[1].size(), 1000000u);
  EXPECT_EQ(parser.bytes_wanted(), 1u);
}

TEST(RespParserTest, AlwaysWantsMoreThanItHas) {
  for (const std::string& stream : Corpus()) {
    StreamReader reader({});
    for (const char byte : stream) {
      reader.Feed({&byte, 1});
      if (!reader.result().error.empty()) break;
      ASSERT_GT(reader.parser().bytes_wanted(), reader.buffered()) << stream;
    }
  }
}

TEST(RespParserTest, IsIdleOnlyBetweenCommands) {
  RespParser parser;
  EXPECT_TRUE(parser.idle());
  ASSERT_EQ(parser.Parse("", {}), RespParser::Result::kNeedMore);
  EXPECT_TRUE(parser.idle());
  ASSERT_EQ(parser.Parse("*", {}), RespParser::Result::kNeedMore);
  EXPECT_FALSE(parser.idle());
  ASSERT_EQ(parser.Parse("*1\r\n$4\r\nPING\r\n", {}), RespParser::Result::kCommand);
  EXPECT_TRUE(parser.idle());
}

TEST(RespParserTest, ReadsOnAfterShrinking) {
  const std::string large = Encode(Command(1000, "word"));
  RespParser parser;
  ASSERT_EQ(parser.Parse(large, {}), RespParser::Result::kCommand);
  EXPECT_EQ(parser.arguments().size(), 1000u);
  parser.Shrink();
  EXPECT_THAT(parser.arguments(), IsEmpty());
  ASSERT_EQ(parser.Parse("PING \"a b\"\n", {}), RespParser::Result::kCommand);
  EXPECT_THAT(parser.arguments(), ElementsAre("PING", "a b"));
}

TEST(RespParserTest, TakesALimitChangedBetweenCommands) {
  RespParser parser;
  const std::string command = Encode(Command(11, "x"));
  ASSERT_EQ(parser.Parse("AUTH x\n", {.authenticated = false}), RespParser::Result::kCommand);
  EXPECT_EQ(parser.Parse(command, {.authenticated = true}), RespParser::Result::kCommand);
}

}  // namespace
}  // namespace chorale
