#include "storage/glob.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace chorale {
namespace {

struct Case {
  std::string_view pattern;
  std::string_view text;
  bool matches;
};

// Each line was answered so by KEYS of redis-server 7.0.
constexpr Case kCases[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"*", "", true},
    {"*", "abc", true},
    {"**", "abc", true},
    {"?", "", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"??", "ab", true},
    {"a?c", "abc", true},
    {"a*c", "ac", true},
    {"a*c", "abbbc", true},
    {"a*c", "abbbcd", false},
    {"*c", "abcabc", true},
    {"*bc", "abcabd", false},
    {"a*b*c", "aXXbYYc", true},
    {"a*b*c", "aXXcYYb", false},
    {"*a*", "bab", true},
    {"*a*", "bbb", false},
    {"a*?", "a", false},
    {"a*?", "ab", true},
    {"user:*:name", "user:17:name", true},
    {"user:*:name", "user:17:mail", false},
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[abc]", "", false},
    {"[^abc]", "d", true},
    {"[^abc]", "a", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[c-a]x", "bx", true},
    {"[a-cx-z]", "y", true},
    {"[^a-c]", "b", false},
    {"[a-]", "-", false},
    {"[a-]", "^", true},
    {"[a-]", "a", true},
    {"[\\]]", "]", true},
    {"[\\-a]", "-", true},
    {"[\\^a]", "^", true},
    {"[a", "a", true},
    {"[a", "b", false},
    {"[", "[", false},
    {"[", "", false},
    {"[]", "a", false},
    {"[]a]", "a]", false},
    {"[^]", "a", true},
    {"[!a]", "b", false},
    {"[!a]", "!", true},
    {"x[0-9]*", "x1y", true},
    {"x[0-9]*", "xy", false},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\?", "?", true},
    {"\\[a]", "[a]", true},
    {"a\\", "a\\", true},
    {"\\\\", "\\", true},
    {"\\a", "a", true},
    {"*\\*", "ab*", true},
    {"*\\*", "ab", false},
    {"A", "a", false},
    {"[A-Z]", "b", false},
    {std::string_view("a\0b", 3), std::string_view("a\0b", 3), true},
    {std::string_view("a?b", 3), std::string_view("a\0b", 3), true},
    {"[\x80-\xff]", "\xe9", true},
    {"[\x80-\xff]", "e", false},
};

TEST(GlobTest, MatchesAsRedisDoes) {
  for (const auto& [pattern, text, matches] : kCases) {
    EXPECT_EQ(GlobMatches(pattern, text), matches) << "'" << pattern << "' on '" << text << "'";
  }
}

TEST(GlobTest, IgnoresCaseWhenAsked) {
  EXPECT_TRUE(GlobMatchesIgnoringCase("MAX*", "maxmemory"));
  EXPECT_TRUE(GlobMatchesIgnoringCase("max*", "MAXMEMORY"));
  EXPECT_TRUE(GlobMatchesIgnoringCase("[A-C]", "b"));
  EXPECT_TRUE(GlobMatchesIgnoringCase("[a-c]", "B"));
  EXPECT_TRUE(GlobMatchesIgnoringCase("\\A", "a"));
  EXPECT_FALSE(GlobMatchesIgnoringCase("MAX", "mix"));
}

TEST(GlobTest, TakesNoLongerThanTheProductOfTheLengths) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  const std::string text(10000, 'a');
  EXPECT_TRUE(GlobMatches(pattern, text));
  // A matcher that tries every way to share the text among the stars would not come back.
  EXPECT_FALSE(GlobMatches(pattern + "b", text));
}

}  // namespace
}  // namespace chorale
