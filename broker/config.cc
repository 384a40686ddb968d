#include "broker/config.h"

#include <glob.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "broker/config_values.h"
#include "storage/glob.h"

namespace chorale {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

const Config::Option* Config::Find(std::string_view name) const {
  const std::string lower = absl::AsciiStrToLower(Absl(name));
  for (const Option& option : options_) {
    if (option.name == lower || (!option.alias.empty() && option.alias == lower)) return &option;
  }
  return nullptr;
}

absl::Status Config::SetAtStart(std::string_view name, std::string_view value, int depth) {
  const std::string lower = absl::AsciiStrToLower(Absl(name));
  if (lower == "include") return Include(std::string(value), depth + 1);
  const Option* option = Find(lower);
  if (option == nullptr) {
    const std::string_view why = WhyUnsupported(lower);
    return absl::InvalidArgumentError(
        why.empty() ? absl::StrCat("unknown option '", Absl(name), "'")
                    : absl::StrCat("option '", lower, "' is not supported: ", Absl(why)));
  }
  const std::string error = option->set(value);
  if (error.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("bad value '", Absl(value), "' for option '", option->name, "': ", error));
}

absl::Status Config::ParseCommandLine(int argc, char** argv) {
  int i = 1;
  if (i < argc && argv[i][0] != '-') {
    file = argv[i++];
    if (const absl::Status status = LoadFile(file); !status.ok()) return status;
  }
  // `--option a b c` takes every word up to the next option, as redis-server does.
  while (i < argc) {
    const std::string_view word = argv[i++];
    if (!word.starts_with("--") || word.size() == 2) {
      return absl::InvalidArgumentError(absl::StrCat("unexpected argument '", Absl(word), "'"));
    }
    std::vector<std::string> values;
    while (i < argc && !std::string_view(argv[i]).starts_with("--")) values.emplace_back(argv[i++]);
    const std::string_view name = word.substr(2);
    if (values.empty() && Find(name) != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("option '", Absl(name), "' needs a value"));
    }
    const absl::Status status = SetAtStart(name, absl::StrJoin(values, " "));
    if (!status.ok()) return status;
  }
  // Not before the end: systemd's unit for Redis takes back what the file says.
  if (daemonize != 0) {
    return absl::InvalidArgumentError(
        "option 'daemonize' is not supported: run it under a service manager, or say --daemonize "
        "no");
  }
  return absl::OkStatus();
}

absl::Status Config::LoadFile(const std::string& path) {
  if (const absl::Status status = ReadFile(path, 0); !status.ok()) return status;
  absl::MutexLock lock(&change_mutex_);
  RememberFileValues();
  return absl::OkStatus();
}

absl::Status Config::ReadFile(const std::string& path, int depth) {
  std::ifstream stream(path);
  if (!stream || std::filesystem::is_directory(path)) {
    return absl::NotFoundError(absl::StrCat("cannot read the configuration file '", path, "'"));
  }
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const auto words = SplitConfigLine(line);
    if (!words) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": unbalanced quotes"));
    }
    if (words->empty()) continue;
    const std::vector<std::string> values(words->begin() + 1, words->end());
    const absl::Status status = SetAtStart((*words)[0], absl::StrJoin(values, " "), depth);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

// A pattern means every file that matches it, in the order of their names; a plain path must exist.
absl::Status Config::Include(const std::string& pattern, int depth) {
  constexpr int kMaxDepth = 16;
  if (depth > kMaxDepth) return absl::InvalidArgumentError("files include each other too deeply");
  glob_t found{};
  const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
  const bool is_pattern = pattern.find_first_of("*?[") != std::string::npos;
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (result != 0 && !is_pattern) paths.push_back(pattern);
  for (const std::string& path : paths) {
    if (const absl::Status status = ReadFile(path, depth); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> Config::Get(
    const std::vector<std::string_view>& patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const Option& option : options_) {
    const auto matches = [&](const std::string& name) {
      return !name.empty() &&
             std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
               return GlobMatchesIgnoringCase(pattern, name);
             });
    };
    if (matches(option.name)) found.emplace_back(option.name, option.get());
    if (matches(option.alias)) found.emplace_back(option.alias, option.get());
  }
  return found;
}

absl::Status Config::Set(const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
  absl::MutexLock lock(&change_mutex_);
  std::vector<const Option*> chosen;
  for (const auto& [name, value] : pairs) {
    const Option* option = Find(name);
    if (option == nullptr) {
      return absl::NotFoundError(absl::StrCat(
          "Unknown option or number of arguments for CONFIG SET - '", Absl(name), "'"));
    }
    const auto failed = [name = Absl(name)](absl::string_view why) {
      return absl::InvalidArgumentError(
          absl::StrCat("CONFIG SET failed (possibly related to argument '", name, "') - ", why));
    };
    if (option->only_at_start) return failed("can't set immutable config");
    if (std::find(chosen.begin(), chosen.end(), option) != chosen.end()) {
      return failed("duplicate parameter");
    }
    chosen.push_back(option);
  }
  std::vector<std::string> before;
  for (size_t i = 0; i < chosen.size(); ++i) {
    before.push_back(chosen[i]->get());
    std::string error = chosen[i]->set(pairs[i].second);
    if (error.empty() && chosen[i]->apply) error = chosen[i]->apply();
    if (error.empty()) continue;
    for (size_t j = 0; j <= i; ++j) chosen[j]->set(before[j]);
    return absl::InvalidArgumentError(absl::StrCat(
        "CONFIG SET failed (possibly related to argument '", Absl(pairs[i].first), "') - ", error));
  }
  return absl::OkStatus();
}

absl::Status Config::Rewrite() {
  if (file.empty()) {
    return absl::FailedPreconditionError("The server is running without a config file");
  }
  absl::MutexLock lock(&change_mutex_);
  // Written beside the file and moved over it, so that a crash leaves the old one or the new one.
  const std::string temporary = file + ".rewrite";
  std::ofstream out(temporary, std::ios::trunc);
  for (const std::string& line : RewrittenLines()) out << line << '\n';
  out.close();
  if (!out || std::rename(temporary.c_str(), file.c_str()) != 0) {
    return absl::InternalError("Rewriting config file: cannot write the file");
  }
  RememberFileValues();
  return absl::OkStatus();
}

// The file's lines as they are, but for options whose value has changed since it was read; options
// that differ from their default and are not in the file come at the end.
std::vector<std::string> Config::RewrittenLines() const {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  std::vector<const Option*> seen;
  for (std::string line; std::getline(stream, line);) {
    const auto words = SplitConfigLine(line);
    const Option* option = words && !words->empty() ? Find((*words)[0]) : nullptr;
    if (option != nullptr) {
      const bool first = std::find(seen.begin(), seen.end(), option) == seen.end();
      if (first) seen.push_back(option);
      const auto in_file = file_values_.find(option->name);
      if (in_file == file_values_.end() || in_file->second != option->get()) {
        if (!first) continue;
        line = option->name + " " + QuoteConfigValue(option->get());
      }
    }
    lines.push_back(line);
  }
  for (const Option& option : options_) {
    if (option.get() == option.default_value) continue;
    if (std::find(seen.begin(), seen.end(), &option) != seen.end()) continue;
    lines.push_back(option.name + " " + QuoteConfigValue(option.get()));
  }
  return lines;
}

void Config::RememberFileValues() {
  for (const Option& option : options_) file_values_[option.name] = option.get();
}

}  // namespace chorale
