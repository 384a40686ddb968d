// Channels of one group, in the order in which they expire. As a rule each has the same time to
// live, and the latest to join, or to join again, is the last to go; only after the layer's policy
// has changed is its place further to the front. Not thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/database.h"

namespace chorale {

class Members {
 public:
  // True if the channel is new; else only its expiry is renewed.
  bool Join(std::string_view channel, int64_t expires_at_ms);
  bool Discard(std::string_view channel);
  // Takes out those whose time has passed.
  std::vector<std::string> TakeExpired(int64_t now_ms);

  static constexpr int64_t kNever = INT64_MAX;
  // When the first of them expires.
  int64_t next_expiry_ms() const {
    return by_expiry_.empty() ? kNever : by_expiry_.front().expires_at_ms;
  }
  bool empty() const { return by_expiry_.empty(); }
  size_t size() const { return by_expiry_.size(); }
  bool contains(std::string_view channel) const { return by_channel_.contains(channel); }
  // nullopt if it is no member.
  [[nodiscard]] std::optional<int64_t> ExpiryOf(std::string_view channel) const {
    const auto found = by_channel_.find(channel);
    if (found == by_channel_.end()) return std::nullopt;
    return found->second->expires_at_ms;
  }
  auto begin() const { return by_expiry_.begin(); }
  auto end() const { return by_expiry_.end(); }

  struct Member {
    std::string channel;
    int64_t expires_at_ms;
  };

 private:
  // The place of one who expires then.
  std::list<Member>::iterator PlaceFor(int64_t expires_at_ms);

  std::list<Member> by_expiry_;
  StringMap<std::list<Member>::iterator> by_channel_;
};

}  // namespace chorale
