#include "broker/scripting/script.h"

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "broker/scripting/sha1.h"

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

std::vector<std::string_view> Split(std::string_view text, std::string_view separators,
                                    bool keep_empty) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find_first_of(separators);
    const std::string_view part = text.substr(0, end);
    if (keep_empty || !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<uint32_t> FlagNamed(std::string_view name) {
  for (const auto& [known, flag] : kFlags) {
    if (known == name) return flag;
  }
  return std::nullopt;
}

absl::StatusOr<uint32_t> ReadOptions(std::string_view line) {
  const auto words = Split(line, " \t\r\v\f", false);
  if (words.empty() || words[0] != "#!lua") {
    return Refusal("Unexpected engine in script shebang: ", words.empty() ? "" : words[0]);
  }
  uint32_t flags = 0;
  for (size_t i = 1; i < words.size(); ++i) {
    constexpr std::string_view kPrefix = "flags=";
    if (!words[i].starts_with(kPrefix)) return Refusal("Unknown lua shebang option: ", words[i]);
    const std::string_view list = words[i].substr(kPrefix.size());
    if (list.empty()) continue;
    for (const std::string_view name : Split(list, ",", true)) {
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
