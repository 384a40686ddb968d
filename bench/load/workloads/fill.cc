#include "bench/load/workloads/fill.h"

#include <algorithm>

#include "bench/load/workloads/command_template.h"

namespace chorale::bench {
namespace {

using client::Value;
using client::Word;

constexpr int kCommandsAtATime = 50;
constexpr int64_t kElementsOfACommand = 100;

}  // namespace

absl::Status Fill(Connection& control, int64_t commands,
                  absl::FunctionRef<void(int64_t, std::string*)> append) {
  std::string batch, error;
  size_t waiting = 0;
  for (int64_t i = 0; i < commands; ++i) {
    append(i, &batch);
    if (++waiting < kCommandsAtATime && i + 1 < commands) continue;
    absl::Status status = control.Ask(batch, waiting, [&](const Value& value) {
      if (value.is_error()) error = value.text();
    });
    if (!status.ok()) return status;
    if (!error.empty()) return absl::FailedPreconditionError(error);
    batch.clear();
    waiting = 0;
  }
  return absl::OkStatus();
}

absl::Status FillElements(Connection& control, std::vector<std::string> first, int64_t elements,
                          AddWords add) {
  const int64_t commands = (elements + kElementsOfACommand - 1) / kElementsOfACommand;
  return Fill(control, commands, [&](int64_t command, std::string* out) {
    std::vector<std::string> texts = first;
    const int64_t begin = command * kElementsOfACommand;
    const int64_t end = std::min(begin + kElementsOfACommand, elements);
    for (int64_t i = begin; i < end; ++i) add(i, &texts);
    const std::vector<Word> words(texts.begin(), texts.end());
    client::AppendCommand(words, out);
  });
}

std::string Numbered(std::string_view prefix, int64_t number) {
  std::string text(prefix);
  text += CommandTemplate::kNumber;
  CommandTemplate::Write(static_cast<uint32_t>(number), text.data() + prefix.size());
  return text;
}

}  // namespace chorale::bench
