#include "broker/authentication.h"

#include <gtest/gtest.h>

#include <string>

namespace chorale {
namespace {

TEST(EqualInConstantTime, IsTrueForTheSameBytesOnly) {
  const std::string secret("sec\0ret", 7);
  EXPECT_TRUE(EqualInConstantTime(secret, secret));
  EXPECT_FALSE(EqualInConstantTime("sec", secret));
  EXPECT_FALSE(EqualInConstantTime("", secret));
  EXPECT_FALSE(EqualInConstantTime(secret + secret, secret));
  EXPECT_FALSE(EqualInConstantTime(std::string("sec\0reT", 7), secret));
  EXPECT_FALSE(EqualInConstantTime(secret, ""));
  EXPECT_FALSE(EqualInConstantTime(std::string(1, '\0'), ""));
  EXPECT_TRUE(EqualInConstantTime("", ""));
}

TEST(PasswordMatches, AsksForTheDefaultUserAndItsPassword) {
  Config config;
  ASSERT_TRUE(config.Set({{"requirepass", "secret"}}).ok());
  EXPECT_TRUE(PasswordMatches(config, "default", "secret"));
  EXPECT_FALSE(PasswordMatches(config, "default", "Secret"));
  EXPECT_FALSE(PasswordMatches(config, "default", ""));
  EXPECT_FALSE(PasswordMatches(config, "admin", "secret"));
}

TEST(PasswordMatches, AcceptsAnyPasswordWhileNoneIsSet) {
  const Config config;
  EXPECT_TRUE(PasswordMatches(config, "default", "anything"));
  EXPECT_FALSE(PasswordMatches(config, "admin", "anything"));
}

}  // namespace
}  // namespace chorale
