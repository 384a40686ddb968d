// The random numbers of commands that choose at random: one generator per thread, seeded from the
// system when the thread first asks. Thread-safe.

#pragma once

#include <cstdint>
#include <random>

namespace chorale {

[[nodiscard]] inline uint64_t ThreadRandom() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

}  // namespace chorale
