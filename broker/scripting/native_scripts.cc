#include "broker/scripting/native_scripts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>

#include "protocol/numbers.h"

namespace chorale {
namespace {

using Words = std::initializer_list<std::string_view>;

// The commands of one run. After one that failed its error has been written.
class Commands {
 public:
  Commands(std::string_view sha, ScriptHost& host, ReplyWriter& reply)
      : sha_(sha), host_(host), reply_(reply) {}

  // `line` is where the script calls the command: Redis's errors tell it. False if it failed.
  bool Call(int line, std::span<const std::string_view> words) {
    result_.clear();
    ReplyWriter writer(&result_, 2);
    host_.Call(words, writer);
    if (!result_.starts_with('-')) return true;
    result_.erase(result_.size() - 2);
    result_.append(" script: ").append(sha_).append(", on @user_script:");
    AppendInt64(line, &result_);
    result_.push_back('.');
    reply_.Error(std::string_view(result_).substr(1));
    return false;
  }
  bool Call(int line, Words words) { return Call(line, std::span(words.begin(), words.size())); }

  int64_t integer() const {
    int64_t value = 0;
    std::from_chars(result_.data() + 1, result_.data() + result_.size(), value);
    return value;
  }

  // Moves the reply, an array of bulk strings, to `bytes` and returns views of its elements.
  std::vector<std::string_view> TakeArray(std::string* bytes) {
    bytes->swap(result_);
    std::string_view rest = *bytes;
    const auto number = [&rest] {
      size_t value = 0;
      const char* end = std::from_chars(rest.data() + 1, rest.data() + rest.size(), value).ptr;
      rest.remove_prefix(static_cast<size_t>(end - rest.data()) + 2);
      return value;
    };
    std::vector<std::string_view> elements(number());
    for (std::string_view& element : elements) {
      const size_t size = number();
      element = rest.substr(0, size);
      rest.remove_prefix(size + 2);
    }
    return elements;
  }

 private:
  const std::string_view sha_;
  ScriptHost& host_;
  ReplyWriter& reply_;
  std::string result_;
};

// ---- receive: what an earlier receive left in its backup goes back into the queue ----

bool RecoveryAccepts(const ScriptArguments& given) { return given.arguments.size() >= 2; }

bool RecoveryKeys(const ScriptArguments& given, std::vector<std::string_view>* keys) {
  keys->assign({given.arguments[0], given.arguments[1]});
  return true;
}

bool RunRecovery(const ScriptArguments& given, std::string_view sha, ScriptHost& host,
                 ReplyWriter& reply) {
  const std::string_view queue = given.arguments[0];
  const std::string_view backup = given.arguments[1];
  Commands commands(sha, host, reply);
  if (!commands.Call(2, {"ZRANGE", backup, "0", "-1", "WITHSCORES"})) return false;
  std::string bytes;
  const auto backed_up = commands.TakeArray(&bytes);
  for (size_t end = backed_up.size(); end >= 2; end -= 2) {
    if (!commands.Call(4, {"ZADD", queue, backed_up[end - 1], backed_up[end - 2]})) return false;
  }
  if (!commands.Call(6, {"DEL", backup})) return false;
  reply.Null();
  return true;
}

// ---- group_send: one message into the queue of each process, unless it is full ----

// Beyond this Lua's numbers are not exact.
constexpr int64_t kLargestCapacity = int64_t{1} << 53;

bool GroupSendAccepts(const ScriptArguments& given) {
  const size_t count = given.keys.size();
  if (given.arguments.size() < 2 * count) return false;
  const auto capacities = given.arguments.subspan(count, count);
  return std::all_of(capacities.begin(), capacities.end(), [](std::string_view text) {
    const auto capacity = ParseInt64(text);
    return capacity && *capacity <= kLargestCapacity && *capacity >= -kLargestCapacity;
  });
}

bool GroupSendKeys(const ScriptArguments& given, std::vector<std::string_view>* keys) {
  keys->assign(given.keys.begin(), given.keys.end());
  return true;
}

bool RunGroupSend(const ScriptArguments& given, std::string_view sha, ScriptHost& host,
                  ReplyWriter& reply) {
  const auto& [keys, arguments] = given;
  Commands commands(sha, host, reply);
  int64_t over_capacity = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!commands.Call(6, {"ZCOUNT", keys[i], "-inf", "+inf"})) return false;
    if (commands.integer() >= *ParseInt64(arguments[i + keys.size()])) {
      ++over_capacity;
      continue;
    }
    const std::string_view current_time = arguments[arguments.size() - 2];
    if (!commands.Call(7, {"ZADD", keys[i], current_time, arguments[i]})) return false;
    if (!commands.Call(8, {"EXPIRE", keys[i], arguments.back()})) return false;
  }
  reply.Integer(over_capacity);
  return true;
}

// ---- flush: deletes every key with the layer's prefix ----

constexpr size_t kKeysPerDelete = 5000;

bool FlushAccepts(const ScriptArguments& given) { return !given.arguments.empty(); }

bool FlushKeys(const ScriptArguments&, std::vector<std::string_view>*) { return false; }

bool RunFlush(const ScriptArguments& given, std::string_view sha, ScriptHost& host,
              ReplyWriter& reply) {
  Commands commands(sha, host, reply);
  if (!commands.Call(2, {"keys", given.arguments[0]})) return false;
  std::string bytes;
  const auto keys = commands.TakeArray(&bytes);
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < keys.size(); begin += kKeysPerDelete) {
    const size_t end = std::min(begin + kKeysPerDelete, keys.size());
    words.assign({"del"});
    words.insert(words.end(), keys.begin() + static_cast<ptrdiff_t>(begin),
                 keys.begin() + static_cast<ptrdiff_t>(end));
    if (!commands.Call(4, words)) return false;
  }
  reply.Null();
  return true;
}

// The digests of channels_redis 4.3.0; tests/e2e/test_native_scripts.py compares them with those of
// the release that is installed.
constexpr std::array<NativeScript, 3> kScripts = {{
    {"8d28fb4c84249684940e751f9f15170eb9a96e1a", RecoveryKeys, RecoveryAccepts, RunRecovery, true},
    {"5bcf6ea1d6c02c00f44e7030f4f9772a199deaf1", GroupSendKeys, GroupSendAccepts, RunGroupSend,
     false},
    {"4d71449255c78343266920db788a2fc84a93ca58", FlushKeys, FlushAccepts, RunFlush, false},
}};

}  // namespace

const NativeScript* FindNativeScript(std::string_view sha) {
  for (const NativeScript& script : kScripts) {
    if (script.sha == sha) return &script;
  }
  return nullptr;
}

}  // namespace chorale
