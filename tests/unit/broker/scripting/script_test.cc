#include "broker/scripting/script.h"

#include <gtest/gtest.h>

#include <string>

namespace chorale {
namespace {

std::string ErrorOf(std::string_view source) {
  const auto script = ParseScript(source);
  return script.ok() ? "" : std::string(script.status().message());
}

TEST(ScriptTest, AScriptIsNamedByTheSha1OfItsSource) {
  const auto script = ParseScript("return 1");
  ASSERT_TRUE(script.ok());
  EXPECT_EQ((*script)->sha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  EXPECT_EQ((*script)->code(), "return 1");
  EXPECT_EQ((*script)->flags, kScriptUndeclared);
}

TEST(ScriptTest, TheFirstLineDeclaresFlags) {
  const auto script = ParseScript("#!lua flags=no-writes,allow-stale\nreturn 1");
  ASSERT_TRUE(script.ok());
  EXPECT_EQ((*script)->flags, kScriptNoWrites | kScriptAllowStale);
  EXPECT_EQ((*script)->code(), "\nreturn 1") << "lines keep their numbers";
  EXPECT_EQ((*ParseScript("#!lua\n"))->flags, 0U);
  EXPECT_EQ((*ParseScript("#!lua flags=\n"))->flags, 0U);
}

TEST(ScriptTest, ABadFirstLineIsRefused) {
  EXPECT_EQ(ErrorOf("#!lua"), "Invalid script shebang");
  EXPECT_EQ(ErrorOf("#!python\n"), "Unexpected engine in script shebang: #!python");
  EXPECT_EQ(ErrorOf("#!lua foo=bar\n"), "Unknown lua shebang option: foo=bar");
  EXPECT_EQ(ErrorOf("#!lua flags=foo\n"), "Unexpected flag in script shebang: foo");
}

}  // namespace
}  // namespace chorale
