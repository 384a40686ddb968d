#include "storage/key_hash.h"

#include <random>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace chorale {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

const uint64_t g_seed = RandomSeed();

}  // namespace

uint64_t HashKey(std::string_view key) {
  return absl::HashOf(g_seed, absl::string_view(key.data(), key.size()));
}

}  // namespace chorale
