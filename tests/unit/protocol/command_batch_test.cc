#include "protocol/command_batch.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "protocol/resp_parser.h"

namespace chorale {
namespace {

std::string Encode(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

TEST(CommandBatchTest, ReadsWhatIsWholeAndLeavesTheRest) {
  const std::string first = Encode({"SET", "key", "value"});
  const std::string second = Encode({"GET", ""});
  const std::string both = first + second + "*2\r\n$3\r\nGET\r\n$3\r\nke";
  CommandBatch batch;
  batch.Read(both);
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_EQ(batch.arguments(0)[2], "value");
  EXPECT_EQ(batch.bytes(0), first.size());
  EXPECT_EQ(batch.arguments(1)[1], "");
  EXPECT_EQ(batch.bytes(1), second.size());
}

TEST(CommandBatchTest, StopsAtItsBounds) {
  std::string many;
  for (size_t i = 0; i < CommandBatch::kMostCommands + 1; ++i) many += Encode({"PING"});
  CommandBatch batch;
  batch.Read(many);
  EXPECT_EQ(batch.size(), CommandBatch::kMostCommands);
  batch.Read(Encode(std::vector<std::string>(CommandBatch::kMostWords, "w")));
  EXPECT_EQ(batch.size(), 1U);
  batch.Read(Encode(std::vector<std::string>(CommandBatch::kMostWords + 1, "w")));
  EXPECT_EQ(batch.size(), 0U);
  batch.Read(Encode({"SET", "k", std::string(CommandBatch::kLongestWord + 1, 'x')}));
  EXPECT_EQ(batch.size(), 0U);
}

// However few words are left, a command of more words waits for the next batch.
TEST(CommandBatchTest, WordsThatAreLeftAreNeverExceeded) {
  CommandBatch batch;
  for (size_t used = CommandBatch::kMostWords - 12; used <= CommandBatch::kMostWords; ++used) {
    const std::string first = Encode(std::vector<std::string>(used, "w"));
    for (size_t words = 1; words <= 12; ++words) {
      batch.Read(first + Encode(std::vector<std::string>(words, "w")));
      EXPECT_EQ(batch.size(), used + words <= CommandBatch::kMostWords ? 2U : 1U)
          << used << " and " << words;
    }
  }
}

// Wherever the batch reads a command, the parser reads the same one.
TEST(CommandBatchTest, AgreesWithTheParserOnDamagedStreams) {
  std::mt19937 random(7);
  size_t read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string stream;
    for (int i = 0; i < 3; ++i) {
      std::vector<std::string> words(1 + random() % 3);
      for (std::string& word : words) word.assign(random() % 12, 'a');
      stream += Encode(words);
    }
    for (int i = 0; i < 2; ++i) stream[random() % stream.size()] = "*$\r\n0129-+x"[random() % 11];
    CommandBatch batch;
    batch.Read(stream);
    RespParser parser;
    std::string_view rest = stream;
    for (size_t i = 0; i < batch.size(); ++i, ++read) {
      ASSERT_EQ(parser.Parse(rest, ParserLimits{}), RespParser::Result::kCommand) << stream;
      ASSERT_EQ(parser.command_size(), batch.bytes(i)) << stream;
      const auto expected = parser.arguments();
      const auto actual = batch.arguments(i);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), actual.begin(), actual.end()));
      rest.remove_prefix(batch.bytes(i));
    }
  }
  EXPECT_GT(read, 20000U);
}

}  // namespace
}  // namespace chorale
