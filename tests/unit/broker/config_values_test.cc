#include "broker/config_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace chorale {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST(ParseMemory, KnowsPowersOfTenAndOfTwo) {
  EXPECT_THAT(ParseMemory("0"), Optional(0));
  EXPECT_THAT(ParseMemory("100"), Optional(100));
  EXPECT_THAT(ParseMemory("100b"), Optional(100));
  EXPECT_THAT(ParseMemory("1k"), Optional(1000));
  EXPECT_THAT(ParseMemory("1KB"), Optional(1024));
  EXPECT_THAT(ParseMemory("2m"), Optional(2000000));
  EXPECT_THAT(ParseMemory("2mb"), Optional(2 << 20));
  EXPECT_THAT(ParseMemory("3g"), Optional(int64_t{3000000000}));
  EXPECT_THAT(ParseMemory("3Gb"), Optional(int64_t{3} << 30));
}

TEST(ParseMemory, RefusesWhatIsNoAmount) {
  for (const char* bad :
       {"", "kb", "-1", "1.5gb", "1 mb", "1tb", "1kbb", "9223372036854775807kb"}) {
    EXPECT_EQ(ParseMemory(bad), std::nullopt) << bad;
  }
}

TEST(SplitConfigLine, LeavesOutCommentsAndBlankLines) {
  EXPECT_THAT(SplitConfigLine(""), Optional(IsEmpty()));
  EXPECT_THAT(SplitConfigLine("   \t"), Optional(IsEmpty()));
  EXPECT_THAT(SplitConfigLine("# port 1"), Optional(IsEmpty()));
  EXPECT_THAT(SplitConfigLine("  # port 1"), Optional(IsEmpty()));
}

TEST(SplitConfigLine, ReadsWordsAndQuotes) {
  EXPECT_THAT(SplitConfigLine("port 6379\r"), Optional(ElementsAre("port", "6379")));
  EXPECT_THAT(SplitConfigLine("save \"\""), Optional(ElementsAre("save", "")));
  EXPECT_THAT(SplitConfigLine("requirepass \"a b\""), Optional(ElementsAre("requirepass", "a b")));
  EXPECT_EQ(SplitConfigLine("requirepass \"a b"), std::nullopt);
}

TEST(QuoteConfigValue, ReadsBackTheSame) {
  for (const std::string& value :
       {std::string("plain"), std::string("two words"), std::string("two  spaces"),
        std::string(" space before"), std::string("quote\"inside"), std::string("#hash"),
        std::string("back\\slash"), std::string("zero\0byte\xff", 10), std::string()}) {
    const auto words = SplitConfigLine("option " + QuoteConfigValue(value));
    ASSERT_TRUE(words.has_value()) << value;
    std::string joined;
    for (size_t i = 1; i < words->size(); ++i) joined += (i > 1 ? " " : "") + (*words)[i];
    EXPECT_EQ(joined, value);
  }
}

}  // namespace
}  // namespace chorale
