#include "broker/scripting/redis_api.h"

#include <gmock/gmock.h>

#include "tests/unit/broker/scripting/lua_test_fixture.h"

namespace chorale {
namespace {

using testing::ElementsAre;
using testing::Pair;

class RedisApiTest : public LuaTest {};

TEST_F(RedisApiTest, ErrorReplyGetsACodeIfItHasNone) {
  EXPECT_EQ(Run("return redis.error_reply('foo')"), "-ERR foo\r\n");
  EXPECT_EQ(Run("return redis.error_reply('My Err')"), "-My Err\r\n");
  EXPECT_EQ(Run("return redis.error_reply('-FOO bar baz')"), "-FOO bar baz\r\n");
  EXPECT_EQ(Run("return redis.error_reply('-foo')"), "-ERR foo\r\n");
  EXPECT_EQ(Run("return redis.error_reply('')"), "-ERR \r\n");
  EXPECT_EQ(Run("return redis.error_reply('-a\\r\\nb \\r\\n')"), "-a  b \r\n");
  EXPECT_EQ(Run("return redis.error_reply(1)"), "-ERR wrong number or type of arguments\r\n");
  EXPECT_EQ(Run("return redis.status_reply('fine')"), "+fine\r\n");
  EXPECT_EQ(Run("return redis.status_reply({})"), "-ERR wrong number or type of arguments\r\n");
}

TEST_F(RedisApiTest, Sha1HexIsOfTheBytes) {
  EXPECT_EQ(Run("return redis.sha1hex('')"), "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n");
  EXPECT_EQ(Run("return redis.sha1hex('a\\0b')"),
            "$40\r\n4a3dec2d1f8245280855c42db0ee4239f917fdb8\r\n");
  EXPECT_EQ(ErrorOf("redis.sha1hex()"), "ERR wrong number of arguments");
}

TEST_F(RedisApiTest, LogReachesTheHost) {
  EXPECT_EQ(Run("return redis.log(redis.LOG_WARNING, 'a', 5, {}, 'b')"), "$-1\r\n");
  EXPECT_THAT(host_.log, ElementsAre(Pair(ScriptHost::LogLevel::kWarning, "a 5 b")));
  EXPECT_EQ(ErrorOf("redis.log(1)"), "ERR redis.log() requires two arguments or more.");
  EXPECT_EQ(ErrorOf("redis.log('a', 'b')"), "ERR First argument must be a number (log level).");
  EXPECT_EQ(ErrorOf("redis.log(4, 'b')"), "ERR Invalid debug level.");
  EXPECT_EQ(ErrorOf("redis.log(0/0, 'b')"), "ERR Invalid debug level.");
}

TEST_F(RedisApiTest, SetRespTakes2And3) {
  EXPECT_EQ(Run("return redis.setresp('3')"), "$-1\r\n");
  EXPECT_EQ(ErrorOf("redis.setresp()"), "ERR redis.setresp() requires one argument.");
  EXPECT_EQ(ErrorOf("redis.setresp(1)"), "ERR RESP version must be 2 or 3.");
}

TEST_F(RedisApiTest, WhatConcernsReplicationAndDebuggingIsAccepted) {
  EXPECT_EQ(Run("return redis.set_repl(redis.REPL_ALL)"), "$-1\r\n");
  EXPECT_EQ(ErrorOf("redis.set_repl(9)"),
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  EXPECT_EQ(Run("return redis.replicate_commands()"), ":1\r\n");
  EXPECT_EQ(Run("return redis.breakpoint()"), "$-1\r\n");
  EXPECT_EQ(Run("return redis.debug('a', 1)"), "$-1\r\n");
}

TEST_F(RedisApiTest, AccessIsAskedFromTheHost) {
  EXPECT_EQ(Run("return {redis.acl_check_cmd('get', 1), redis.acl_check_cmd('denied')}"),
            "*2\r\n:1\r\n$-1\r\n");
  EXPECT_EQ(ErrorOf("redis.acl_check_cmd('unknown')"),
            "ERR Invalid command passed to redis.acl_check_cmd()");
  EXPECT_EQ(ErrorOf("redis.acl_check_cmd()"),
            "ERR Please specify at least one argument for this redis lib call");
}

TEST_F(RedisApiTest, TheVersionIsThatOfTheSurface) {
  EXPECT_EQ(Run("return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM}"),
            "*2\r\n$5\r\n7.4.0\r\n:459776\r\n");
}

}  // namespace
}  // namespace chorale
