// Which of `keys` keys an operation is for. One thread's: each has its own, from a seed of its own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace chorale::bench {

enum class Distribution : uint8_t {
  kUniform,
  kZipf,  // the key of rank r has a share proportional to 1 / (r + 1)^1.01
  kHot,   // always the same one
};

// Random numbers (SplitMix64): fast, and good enough to spread load.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Below `bound`, which is not 0.
  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>(((Next() >> 32) * uint64_t{bound}) >> 32);
  }

 private:
  uint64_t state_;
};

class KeyChoice {
 public:
  // Zipf's exponent, close to the 0.99 of YCSB; Abseil's generator wants more than 1.
  static constexpr double kExponent = 1.01;

  KeyChoice(Distribution distribution, uint32_t keys, uint64_t seed);

  uint32_t Next() {
    switch (distribution_) {
      case Distribution::kUniform:
        return random_.Below(keys_);
      case Distribution::kZipf:
        return drawn_[next_++ & (kDrawn - 1)];
      case Distribution::kHot:
        return 0;
    }
    return 0;
  }

 private:
  // To draw from Zipf's distribution takes logarithms, more than the rest of an operation does, so
  // that so many draws are made beforehand and used again and again.
  static constexpr size_t kDrawn = 1 << 18;

  const Distribution distribution_;
  const uint32_t keys_;
  Random random_;
  std::vector<uint32_t> drawn_;
  size_t next_ = 0;
};

}  // namespace chorale::bench
