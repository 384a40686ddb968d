// Channels of one group, in the order in which they expire. Each has the same time to live, so the
// latest to join, or to join again, is the last to go. Not thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
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

  bool empty() const { return by_expiry_.empty(); }
  size_t size() const { return by_expiry_.size(); }
  bool contains(std::string_view channel) const { return by_channel_.contains(channel); }
  auto begin() const { return by_expiry_.begin(); }
  auto end() const { return by_expiry_.end(); }

  struct Member {
    std::string channel;
    int64_t expires_at_ms;
  };

 private:
  std::list<Member> by_expiry_;
  StringMap<std::list<Member>::iterator> by_channel_;
};

}  // namespace chorale
