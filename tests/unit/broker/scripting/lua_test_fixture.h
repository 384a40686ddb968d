// A script's run in one line, with a host that records what it was asked and answers from a table.

#pragma once

#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripting/lua_interpreter.h"
#include "broker/scripting/script.h"

namespace chorale {

class RecordingHost : public ScriptHost {
 public:
  void Call(std::span<const std::string_view> args, ReplyWriter& reply) override {
    std::string words;
    for (const auto arg : args) words.append(words.empty() ? "" : " ").append(arg);
    calls.push_back(words);
    versions.push_back(reply.version());
    const auto it = replies.find(words);
    reply.out() += it == replies.end() ? "+OK\r\n" : it->second;
  }
  Access CheckAccess(std::span<const std::string_view> args) override {
    if (args[0] == "unknown") return Access::kUnknownCommand;
    return args[0] == "denied" ? Access::kDenied : Access::kAllowed;
  }
  void Log(LogLevel level, std::string_view message) override { log.emplace_back(level, message); }
  bool MayContinue() override { return ++ticks < ticks_allowed; }

  std::map<std::string, std::string> replies;  // by the command's words, in RESP
  std::vector<std::string> calls;
  std::vector<int> versions;
  std::vector<std::pair<LogLevel, std::string>> log;
  int ticks = 0;
  int ticks_allowed = 10'000;
};

class LuaTest : public testing::Test {
 protected:
  // The reply in RESP, or the error of the script's first line.
  std::string Run(std::string_view source, std::vector<std::string_view> keys = {},
                  std::vector<std::string_view> arguments = {}, int version = 2) {
    const auto script = ParseScript(source);
    if (!script.ok()) return std::string(script.status().message());
    std::string out;
    ReplyWriter reply(&out, version);
    interpreter_.Run(**script, keys, arguments, host_, reply);
    return out;
  }
  std::string Run3(std::string_view source) { return Run(source, {}, {}, 3); }

  // An error's text without the place that follows it.
  std::string ErrorOf(std::string_view source) {
    const std::string reply = Run(source);
    EXPECT_TRUE(reply.starts_with('-')) << source << " gave " << reply;
    return reply.substr(1, reply.find(" script: ") - 1);
  }

  LuaInterpreter interpreter_{LuaOptions{.memory_limit = size_t{32} << 20}};
  RecordingHost host_;
};

}  // namespace chorale
