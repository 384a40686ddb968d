#include "bench/load/key_choice.h"

#include <absl/random/zipf_distribution.h>

#include <limits>

namespace chorale::bench {
namespace {

// Random in the form that the standard library's distributions and Abseil's take.
class Bits {
 public:
  using result_type = uint64_t;

  explicit Bits(Random* random) : random_(random) {}
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return std::numeric_limits<uint64_t>::max(); }
  uint64_t operator()() { return random_->Next(); }

 private:
  Random* random_;
};

}  // namespace

KeyChoice::KeyChoice(Distribution distribution, uint32_t keys, uint64_t seed)
    : distribution_(distribution), keys_(keys), random_(seed) {
  if (distribution != Distribution::kZipf) return;
  if (keys == 1) {  // Abseil wants a choice
    drawn_.assign(kDrawn, 0);
    return;
  }
  absl::zipf_distribution<uint32_t> ranks(keys - 1, kExponent);
  Bits bits(&random_);
  drawn_.reserve(kDrawn);
  for (size_t i = 0; i < kDrawn; ++i) drawn_.push_back(ranks(bits));
}

}  // namespace chorale::bench
