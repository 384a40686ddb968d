// When a collection leaves its small encoding. The names and defaults are those of redis.conf; the
// configuration writes them, the value types read them. Thread-safe: a change is seen by the next
// element that is added, and converts nothing that exists.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace chorale {

struct EncodingLimits {
  std::atomic<size_t> hash_max_listpack_entries{128};
  std::atomic<size_t> hash_max_listpack_value{64};
  std::atomic<size_t> set_max_intset_entries{512};
  std::atomic<size_t> set_max_listpack_entries{128};
  std::atomic<size_t> set_max_listpack_value{64};
  std::atomic<size_t> zset_max_listpack_entries{128};
  std::atomic<size_t> zset_max_listpack_value{64};
  // Positive: elements. -1 to -5: 4, 8, 16, 32 or 64 KiB.
  std::atomic<int64_t> list_max_listpack_size{-2};
};

inline EncodingLimits g_encoding_limits;

}  // namespace chorale
