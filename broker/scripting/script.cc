#include "broker/scripting/script.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "broker/scripting/sha1.h"
#include "protocol/resp_parser.h"

namespace chorale {
namespace {

constexpr struct {
  std::string_view name;
  uint32_t flag;
} kFlags[] = {
    {"no-writes", kScriptNoWrites},
    {"allow-oom", kScriptAllowOom},
    {"allow-stale", kScriptAllowStale},
    {"no-cluster", kScriptNoCluster},
    {"allow-cross-slot-keys", kScriptAllowCrossSlotKeys},
};

absl::Status Refusal(std::string_view what, std::string_view word = {}) {
  std::string text(what);
  text += word;
  return absl::InvalidArgumentError(absl::string_view(text.data(), text.size()));
}

std::optional<uint32_t> FlagNamed(std::string_view name) {
  for (const auto& [known, flag] : kFlags) {
    if (known == name) return flag;
  }
  return std::nullopt;
}

absl::StatusOr<uint32_t> ReadOptions(std::string_view line) {
  // Words may be quoted as in an inline command.
  const std::string text = std::string(line) + "\n";
  RespParser parser;
  if (parser.Parse(text, ParserLimits{}) != RespParser::Result::kCommand) {
    return Refusal("Invalid engine in script shebang");
  }
  const auto words = parser.arguments();
  if (words[0] != "#!lua") return Refusal("Unexpected engine in script shebang: ", words[0]);
  uint32_t flags = 0;
  for (size_t i = 1; i < words.size(); ++i) {
    constexpr std::string_view kPrefix = "flags=";
    if (!words[i].starts_with(kPrefix)) return Refusal("Unknown lua shebang option: ", words[i]);
    const std::string_view list = words[i].substr(kPrefix.size());
    if (list.empty()) continue;
    for (const absl::string_view part :
         absl::StrSplit(absl::string_view(list.data(), list.size()), ',')) {
      const std::string_view name(part.data(), part.size());
      const auto flag = FlagNamed(name);
      if (!flag) return Refusal("Unexpected flag in script shebang: ", name);
      flags |= *flag;
    }
  }
  return flags;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Script>> ParseScript(std::string_view source) {
  uint32_t flags = kScriptUndeclared;
  size_t code_offset = 0;
  if (source.starts_with("#!")) {
    code_offset = source.find('\n');
    if (code_offset == std::string_view::npos) return Refusal("Invalid script shebang");
    auto declared = ReadOptions(source.substr(0, code_offset));
    if (!declared.ok()) return declared.status();
    flags = *declared;
  }
  return std::make_shared<const Script>(
      Script{Sha1Hex(source), std::string(source), code_offset, flags});
}

}  // namespace chorale
