#include "storage/rdb/skipped_values.h"

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"

namespace chorale::rdb {
namespace {

constexpr uint64_t kTimeSize = 8;
constexpr uint64_t kRawIdSize = 16;
constexpr int kIdLengths = 2;  // An ID that is written as two lengths.

// Reads a count and skips as many things.
bool SkipEach(Input& input, absl::FunctionRef<bool()> skip_one) {
  uint64_t count = 0;
  if (!input.ReadLength(count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    if (!skip_one()) return false;
  }
  return true;
}

// The sequence of the stream types; each has what those before it have.
int StreamForm(uint8_t type) {
  switch (type) {
    case kStream:
      return 1;
    case kStream2:
      return 2;
    case kStream3:
      return 3;
    case kStream4:
      return 4;
    default:
      return 5;
  }
}

bool SkipConsumer(Input& input, int form) {
  return input.SkipString() && input.Skip(form >= 3 ? 2 * kTimeSize : kTimeSize) &&
         SkipEach(input, [&] { return input.Skip(kRawIdSize); });
}

bool SkipGroup(Input& input, int form) {
  const int entries_read = form >= 2 ? 1 : 0;
  if (!input.SkipString() || !input.SkipLengths(kIdLengths + entries_read)) return false;
  const auto skip_pending = [&] {
    return input.Skip(kRawIdSize + kTimeSize) && input.SkipLengths(1);
  };
  if (!SkipEach(input, skip_pending)) return false;
  if (!SkipEach(input, [&] { return SkipConsumer(input, form); })) return false;
  return form < 5 || SkipEach(input, [&] { return input.Skip(kRawIdSize); });
}

// What makes adding entries idempotent: a duration, a size, the producers with the IDs that they
// have used, and two counters.
bool SkipProducers(Input& input) {
  const auto skip_used_id = [&] { return input.SkipString() && input.SkipLengths(kIdLengths); };
  const auto skip_producer = [&] { return input.SkipString() && SkipEach(input, skip_used_id); };
  return input.SkipLengths(2) && SkipEach(input, skip_producer) && input.SkipLengths(2);
}

// The upper bits of a module's number are nine letters.
std::string ModuleName(uint64_t number) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr int kVersionBits = 10;
  constexpr int kLetterBits = 6;
  std::string name(9, ' ');
  number >>= kVersionBits;
  for (size_t i = name.size(); i-- > 0; number >>= kLetterBits) name[i] = kLetters[number & 0x3f];
  return name;
}

bool SkipModuleData(Input& input) {
  uint64_t opcode = 0;
  while (input.ReadLength(opcode)) {
    bool skipped = false;
    switch (opcode) {
      case kModuleEnd:
        return true;
      case kModuleSigned:
      case kModuleUnsigned:
        skipped = input.SkipLengths(1);
        break;
      case kModuleFloat:
        skipped = input.Skip(4);
        break;
      case kModuleDouble:
        skipped = input.Skip(8);
        break;
      case kModuleString:
        skipped = input.SkipString();
        break;
      default:
        return input.Fail(absl::StrCat("a module's data has the unknown opcode ", opcode));
    }
    if (!skipped) return false;
  }
  return false;
}

}  // namespace

bool SkipStream(Input& input, uint8_t type) {
  const int form = StreamForm(type);
  // The first ID, the highest deleted one and a counter.
  const int more_lengths = form >= 2 ? 2 * kIdLengths + 1 : 0;
  return SkipEach(input, [&] { return input.SkipString() && input.SkipString(); }) &&
         input.SkipLengths(1 + kIdLengths + more_lengths) &&
         SkipEach(input, [&] { return SkipGroup(input, form); }) &&
         (form < 4 || SkipProducers(input));
}

bool SkipModuleValue(Input& input, std::string& name) {
  uint64_t number = 0;
  if (!input.ReadLength(number)) return false;
  name = ModuleName(number);
  return SkipModuleData(input);
}

bool SkipModuleAuxiliary(Input& input, std::string& name) {
  // The time at which the module asked to be read comes as part of its data.
  return SkipModuleValue(input, name);
}

bool SkipKeyMetadata(Input& input) {
  constexpr uint64_t kClassSize = 4;
  return SkipEach(input, [&] { return input.Skip(kClassSize) && SkipModuleData(input); });
}

}  // namespace chorale::rdb
