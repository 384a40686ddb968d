// Messages as channels_redis writes them: MessagePack (https://msgpack.org), in the core layer
// behind 12 random bytes that make every member of a sorted set another one. Each carries a stamp,
// from which a receiver knows which message it is and when it was sent.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "bench/load/key_choice.h"

namespace chorale::bench {

struct Stamp {
  uint32_t sender = 0;
  uint32_t slot = 0;
  int64_t intended = 0;  // when it was to be sent, of Now()
};

constexpr uint32_t kStampSize = sizeof(Stamp);
static_assert(kStampSize == 16);

inline void WriteStamp(const Stamp& stamp, char* out) { std::memcpy(out, &stamp, kStampSize); }

// False if the message is too short to have one at that place.
[[nodiscard]] inline bool ReadStamp(std::string_view message, size_t at, Stamp* stamp) {
  if (message.size() < at + kStampSize) return false;
  std::memcpy(stamp, message.data() + at, kStampSize);
  return true;
}

constexpr size_t kRandomPrefix = 12;

// Writes kRandomPrefix bytes.
inline void WriteRandomPrefix(Random& random, char* out) {
  const uint64_t bits[2] = {random.Next(), random.Next()};
  std::memcpy(out, bits, kRandomPrefix);
}

// Where, in a message of EncodeMessage, the bytes of "data" begin, and the stamp in them.
[[nodiscard]] size_t DataOffset(size_t data_size);

// {"type": "bench.message", "data": that many bytes}
[[nodiscard]] std::string EncodeMessage(size_t data_size);
// The same with "__asgi_channel__": the channel.
[[nodiscard]] std::string EncodeMessageTo(size_t data_size, std::string_view channel);
// The same with "__asgi_channel__": [channel...].
[[nodiscard]] std::string EncodeMessageTo(size_t data_size, std::span<const std::string> channels);

}  // namespace chorale::bench
