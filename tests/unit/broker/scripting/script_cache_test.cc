#include "broker/scripting/script_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace chorale {
namespace {

std::shared_ptr<const Script> Make(int number) {
  return *ParseScript("return " + std::to_string(number));
}

TEST(ScriptCacheTest, ScriptsAreFoundInAnyLetterCase) {
  ScriptCache cache;
  const auto script = Make(1);
  cache.AddLoaded(script);
  std::string upper = script->sha;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  EXPECT_EQ(cache.Find(upper), script);
  EXPECT_TRUE(cache.Contains(upper));
  EXPECT_EQ(cache.Find("nope"), nullptr);
}

TEST(ScriptCacheTest, TheLeastRecentlyUsedEvaluatedScriptIsDropped) {
  ScriptCache cache(2);
  cache.AddEvaluated(Make(1));
  cache.AddEvaluated(Make(2));
  EXPECT_NE(cache.Find(Make(1)->sha), nullptr);
  cache.AddEvaluated(Make(3));
  EXPECT_TRUE(cache.Contains(Make(1)->sha));
  EXPECT_FALSE(cache.Contains(Make(2)->sha));
  EXPECT_EQ(cache.evicted(), 1U);
}

TEST(ScriptCacheTest, LoadedScriptsStay) {
  ScriptCache cache(1);
  cache.AddEvaluated(Make(1));
  cache.AddLoaded(Make(1));
  cache.AddEvaluated(Make(2));
  cache.AddEvaluated(Make(3));
  EXPECT_TRUE(cache.Contains(Make(1)->sha));
  EXPECT_EQ(cache.size(), 2U);
}

TEST(ScriptCacheTest, AFlushStartsANewEpoch) {
  ScriptCache cache;
  cache.AddLoaded(Make(1));
  cache.AddEvaluated(Make(2));
  const uint64_t epoch = cache.epoch();
  cache.Flush();
  EXPECT_NE(cache.epoch(), epoch);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.memory_used(), 0U);
  EXPECT_EQ(cache.Find(Make(1)->sha), nullptr);
}

}  // namespace
}  // namespace chorale
