// The messages of a channel that any process may read, first in, first out. A value of the store,
// in the database of layers; guarded by its shard's lock.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "storage/entry.h"

namespace chorale {

class ChannelQueue {
 public:
  void Push(std::string_view message, int64_t expires_at_ms);
  std::string Pop();
  // Drops what has expired at the front; returns how many. What a shorter expiry of the layer let
  // expire earlier goes when it gets there.
  size_t DropExpired(int64_t now_ms);

  size_t size() const { return messages_.size(); }
  // When the last of the messages expires.
  int64_t expires_at_ms() const { return expires_at_ms_; }
  size_t MemoryUsage() const;

 private:
  struct Message {
    std::string bytes;
    int64_t expires_at_ms;
  };
  std::deque<Message> messages_;
  size_t bytes_ = 0;
  int64_t expires_at_ms_ = 0;
};

template <>
inline constexpr ValueType kValueTypeOf<ChannelQueue> = ValueType::kChannelQueue;

}  // namespace chorale
