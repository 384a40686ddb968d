#include "protocol/numbers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

namespace chorale {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(NumbersTest, ParsesCanonicalIntegersOnly) {
  EXPECT_EQ(ParseInt64("0"), 0);
  EXPECT_EQ(ParseInt64("-1"), -1);
  EXPECT_EQ(ParseInt64("1234567890"), 1234567890);
  for (const char* text : {"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "a", "1.0",
                           "0x1", "1e3", "--1"}) {
    EXPECT_EQ(ParseInt64(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseInt64(std::string_view("1\0", 2)), std::nullopt);
}

TEST(NumbersTest, ParsesIntegersUpToTheirBounds) {
  EXPECT_EQ(ParseInt64("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInt64("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(ParseInt64("9223372036854775808"), std::nullopt);
  EXPECT_EQ(ParseInt64("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(ParseInt64("18446744073709551615"), std::nullopt);
  EXPECT_EQ(ParseUint64("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(ParseUint64("18446744073709551616"), std::nullopt);
  EXPECT_EQ(ParseUint64("99999999999999999999"), std::nullopt);
  EXPECT_EQ(ParseUint64("100000000000000000000"), std::nullopt);
  EXPECT_EQ(ParseUint64("-1"), std::nullopt);
}

TEST(NumbersTest, IntegersSurviveFormattingAndParsing) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10000; ++i) {
    const int64_t value = static_cast<int64_t>(random()) >> (random() % 64);
    std::string text = "x";
    AppendInt64(value, &text);
    ASSERT_EQ(text, "x" + std::to_string(value));
    ASSERT_EQ(ParseInt64(std::string_view(text).substr(1)), value);
  }
}

TEST(NumbersTest, ParsesDoublesInEveryFormOfTheCLibrary) {
  EXPECT_EQ(ParseDouble("1"), 1.0);
  EXPECT_EQ(ParseDouble("-1.5"), -1.5);
  EXPECT_EQ(ParseDouble("+2"), 2.0);
  EXPECT_EQ(ParseDouble("1."), 1.0);
  EXPECT_EQ(ParseDouble(".5"), 0.5);
  EXPECT_EQ(ParseDouble("1e3"), 1000.0);
  EXPECT_EQ(ParseDouble("1E-3"), 0.001);
  EXPECT_EQ(ParseDouble("0x10"), 16.0);
  EXPECT_EQ(ParseDouble("0x1p-1"), 0.5);
  EXPECT_EQ(ParseDouble("0"), 0.0);
  EXPECT_EQ(ParseDouble("0.000"), 0.0);
  EXPECT_EQ(ParseDouble("007"), 7.0);
  ASSERT_TRUE(ParseDouble("-0").has_value());
  EXPECT_TRUE(std::signbit(*ParseDouble("-0")));
}

TEST(NumbersTest, ParsesInfinityInAnyCase) {
  for (const char* text : {"inf", "+inf", "Inf", "INF", "infinity", "+INFINITY"}) {
    EXPECT_EQ(ParseDouble(text), kInfinity) << text;
    EXPECT_EQ(ParseDouble(std::string("-") + (text[0] == '+' ? text + 1 : text)), -kInfinity);
  }
}

TEST(NumbersTest, RefusesWhatIsNoDouble) {
  for (const char* text :
       {"",    " 1",   "1 ",     "\t1", "1x",   "e5",  "1e",  ".",     "-",      "+",     "nan",
        "NaN", "-nan", "nan(1)", "1,5", "infx", "+-1", "--1", "1e999", "-1e999", "1e-999"}) {
    EXPECT_EQ(ParseDouble(text), std::nullopt) << text;
    EXPECT_EQ(ParseLongDouble(std::string(text) + "x"), std::nullopt) << text;
  }
  EXPECT_EQ(ParseDouble(std::string_view("1\0", 2)), std::nullopt);
}

TEST(NumbersTest, ParsesTheSmallestAndLargestDoubles) {
  EXPECT_EQ(ParseDouble("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(ParseDouble("5e-324"), std::numeric_limits<double>::denorm_min());
}

TEST(NumbersTest, ParsesLongDoublesAndBoundsTheirLength) {
  EXPECT_EQ(ParseLongDouble("3.0e3"), 3000.0L);
  EXPECT_EQ(ParseLongDouble("0.1"), 0.1L);
  EXPECT_EQ(ParseLongDouble("-inf"), -std::numeric_limits<long double>::infinity());
  for (const char* text : {"", " 1", "1 ", "nan", "1x", "1e9999"}) {
    EXPECT_EQ(ParseLongDouble(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseLongDouble(std::string(5119, '0')), 0.0L);
  EXPECT_EQ(ParseLongDouble(std::string(5120, '0')), std::nullopt);
}

TEST(NumbersTest, FormatsDoublesShortestInTheFormOfRedis) {
  EXPECT_EQ(FormatDouble(0.0), "0");
  EXPECT_EQ(FormatDouble(-0.0), "-0");
  EXPECT_EQ(FormatDouble(3), "3");
  EXPECT_EQ(FormatDouble(-17), "-17");
  EXPECT_EQ(FormatDouble(0.1), "0.1");
  EXPECT_EQ(FormatDouble(-1.25), "-1.25");
  EXPECT_EQ(FormatDouble(123.456), "123.456");
  EXPECT_EQ(FormatDouble(0.000001), "0.000001");
  EXPECT_EQ(FormatDouble(0.1234567), "0.1234567");
  EXPECT_EQ(FormatDouble(1e-7), "1e-7");
  EXPECT_EQ(FormatDouble(-1.5e-7), "-1.5e-7");
  EXPECT_EQ(FormatDouble(5e-324), "5e-324");
  EXPECT_EQ(FormatDouble(1712345678.25), "1712345678.25");
  EXPECT_EQ(FormatDouble(1712345678.1234567), "1.7123456781234567e+9");
  EXPECT_EQ(FormatDouble(kInfinity), "inf");
  EXPECT_EQ(FormatDouble(-kInfinity), "-inf");
  EXPECT_EQ(FormatDouble(std::nan("")), "nan");
  EXPECT_EQ(FormatDouble(-std::nan("")), "nan");
}

TEST(NumbersTest, FormatsLargeWholeDoublesWithoutAnExponentAsLongAsRedisDoes) {
  EXPECT_EQ(FormatDouble(4503599627370497), "4503599627370497");
  EXPECT_EQ(FormatDouble(4e18), "4000000000000000000");
  EXPECT_EQ(FormatDouble(-4e18), "-4000000000000000000");
  EXPECT_EQ(FormatDouble(5e18), "5e+18");
  EXPECT_EQ(FormatDouble(9223372036854775808.0), "9223372036854776000");
  EXPECT_EQ(FormatDouble(1e21), "1e+21");
  EXPECT_EQ(FormatDouble(-1.7976931348623157e308), "-1.7976931348623157e+308");
}

TEST(NumbersTest, DoublesSurviveFormattingAndParsing) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (std::isnan(value) || std::isinf(value)) continue;
    ASSERT_EQ(ParseDouble(FormatDouble(value)), value);
  }
}

TEST(NumbersTest, FormatsLongDoublesForPeople) {
  EXPECT_EQ(FormatLongDouble(3.0L), "3");
  EXPECT_EQ(FormatLongDouble(-0.0L), "0");
  EXPECT_EQ(FormatLongDouble(10.5L), "10.5");
  EXPECT_EQ(FormatLongDouble(0.1L + 0.2L), "0.3");
  EXPECT_EQ(FormatLongDouble(100.0L), "100");
  EXPECT_EQ(FormatLongDouble(5.0e3L), "5000");
  EXPECT_EQ(FormatLongDouble(1e-18L), "0");
  EXPECT_EQ(FormatLongDouble(-0.25L), "-0.25");
  EXPECT_GE(FormatLongDouble(1e4000L).size(), 4000u);
  EXPECT_EQ(FormatLongDouble(-std::numeric_limits<long double>::infinity()), "-inf");
}

}  // namespace
}  // namespace chorale
