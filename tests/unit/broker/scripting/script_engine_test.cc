#include "broker/scripting/script_engine.h"

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

class ScriptEngineTest : public testing::Test {
 protected:
  std::string Run(ScriptEngine& engine, const Script& script) {
    std::string out;
    ReplyWriter reply(&out, 2);
    engine.Run(script, {}, host_, reply);
    return out;
  }

  ScriptCache cache_{2};
  ScriptEngine engine_{cache_};
  ScriptEngine other_{cache_};
  RecordingHost host_;
};

TEST_F(ScriptEngineTest, AScriptIsFoundByItsDigestOnceItIsPublished) {
  ScriptEngine::Known* known = *engine_.FindSource("return 7");
  const std::string sha = known->script->sha;
  EXPECT_EQ(engine_.FindDigest(sha), nullptr);
  engine_.Publish(*known);
  EXPECT_EQ(engine_.FindDigest(sha), known);
  ScriptEngine::Known* elsewhere = other_.FindDigest(sha);
  ASSERT_NE(elsewhere, nullptr);
  EXPECT_EQ(elsewhere->script, known->script) << "threads share the source";
  EXPECT_EQ(Run(other_, *elsewhere->script), ":7\r\n");
  EXPECT_GT(other_.memory_used(), 0U);
}

TEST_F(ScriptEngineTest, AnEvictedScriptIsPublishedAgainWhenItIsEvaluated) {
  engine_.Publish(**engine_.FindSource("return 1"));
  other_.Publish(**other_.FindSource("return 2"));
  other_.Publish(**other_.FindSource("return 3"));
  const std::string sha = (*ParseScript("return 1"))->sha;
  EXPECT_EQ(engine_.FindDigest(sha), nullptr);
  engine_.Publish(**engine_.FindSource("return 1"));
  EXPECT_NE(other_.FindDigest(sha), nullptr);
}

TEST_F(ScriptEngineTest, AFlushReachesEveryEngine) {
  engine_.Publish(**engine_.FindSource("return 1"));
  EXPECT_EQ(Run(engine_, **ParseScript("cjson.encode_sparse_array(true)")), "$-1\r\n");
  cache_.Flush();
  EXPECT_EQ(engine_.FindDigest((*ParseScript("return 1"))->sha), nullptr);
  EXPECT_EQ(Run(engine_, **ParseScript("return tostring(cjson.encode_sparse_array())")),
            "$5\r\nfalse\r\n");
}

}  // namespace
}  // namespace chorale
