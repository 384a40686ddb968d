#include "broker/config_values.h"

#include <algorithm>
#include <limits>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "protocol/numbers.h"
#include "protocol/resp_parser.h"

namespace chorale {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(Absl(text)); }

constexpr std::array<std::string_view, kOutputClasses> kOutputClassNames = {"normal", "slave",
                                                                            "pubsub"};

}  // namespace

std::optional<int64_t> ParseMemory(std::string_view text) {
  const std::string lower = Lower(text);
  const size_t digits = std::min(lower.find_first_not_of("0123456789"), lower.size());
  const auto number = ParseInt64(std::string_view(lower).substr(0, digits));
  if (!number) return std::nullopt;
  static const std::map<std::string, int64_t> kUnits = {
      {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
      {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
  const auto unit = kUnits.find(lower.substr(digits));
  if (unit == kUnits.end() || *number > kMax / unit->second) return std::nullopt;
  return *number * unit->second;
}

std::optional<std::vector<std::string>> SplitConfigLine(std::string_view line) {
  const size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
  if (begin == line.size() || line[begin] == '#') return std::vector<std::string>{};
  const std::string text = std::string(line) + "\n";
  RespParser parser;
  if (parser.Parse(text, ParserLimits{}) != RespParser::Result::kCommand) return std::nullopt;
  return std::vector<std::string>(parser.arguments().begin(), parser.arguments().end());
}

std::string QuoteConfigValue(std::string_view value) {
  // Several words are read back with one space between them.
  const std::vector<std::string> words = absl::StrSplit(Absl(value), ' ', absl::SkipEmpty());
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= ' ' && c < 127 && c != '"' && c != '\'' && c != '\\' && c != '#';
  });
  if (plain && !words.empty() && absl::StrJoin(words, " ") == value) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c >= ' ' && c < 127) {
      quoted += c;
    } else {
      absl::StrAppend(&quoted, "\\x", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  return quoted + '"';
}

std::string FormatOutputLimits(const OutputLimits& limits) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < kOutputClasses; ++i) {
    parts.push_back(absl::StrCat(Absl(kOutputClassNames[i]), " ", limits[i].hard_bytes.load(), " ",
                                 limits[i].soft_bytes.load(), " ", limits[i].soft_seconds.load()));
  }
  return absl::StrJoin(parts, " ");
}

std::string ParseOutputLimits(std::string_view text, OutputLimits& limits) {
  const std::vector<std::string> words = absl::StrSplit(Absl(text), ' ', absl::SkipEmpty());
  if (words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  struct Parsed {
    size_t index;
    int64_t hard, soft, seconds;
  };
  std::vector<Parsed> parsed;
  for (size_t i = 0; i < words.size(); i += 4) {
    const std::string name = Lower(words[i]);
    const std::string_view canonical = name == "replica" ? "slave" : std::string_view(name);
    const auto found = std::find(kOutputClassNames.begin(), kOutputClassNames.end(), canonical);
    if (found == kOutputClassNames.end()) {
      return "Invalid client class specified in buffer limit configuration.";
    }
    const auto hard = ParseMemory(words[i + 1]);
    const auto soft = ParseMemory(words[i + 2]);
    const auto seconds = ParseInt64(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    parsed.push_back(
        {static_cast<size_t>(found - kOutputClassNames.begin()), *hard, *soft, *seconds});
  }
  for (const Parsed& limit : parsed) {
    limits[limit.index].hard_bytes = limit.hard;
    limits[limit.index].soft_bytes = limit.soft;
    limits[limit.index].soft_seconds = limit.seconds;
  }
  return {};
}

}  // namespace chorale
