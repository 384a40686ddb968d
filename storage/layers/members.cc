#include "storage/layers/members.h"

#include <utility>

namespace chorale {

bool Members::Join(std::string_view channel, int64_t expires_at_ms) {
  const auto found = by_channel_.find(channel);
  if (found != by_channel_.end()) {
    found->second->expires_at_ms = expires_at_ms;
    by_expiry_.splice(by_expiry_.end(), by_expiry_, found->second);
    return false;
  }
  by_expiry_.push_back({std::string(channel), expires_at_ms});
  by_channel_.emplace(channel, std::prev(by_expiry_.end()));
  return true;
}

bool Members::Discard(std::string_view channel) {
  const auto found = by_channel_.find(channel);
  if (found == by_channel_.end()) return false;
  by_expiry_.erase(found->second);
  by_channel_.erase(found);
  return true;
}

std::vector<std::string> Members::TakeExpired(int64_t now_ms) {
  std::vector<std::string> expired;
  while (!by_expiry_.empty() && by_expiry_.front().expires_at_ms <= now_ms) {
    by_channel_.erase(by_expiry_.front().channel);
    expired.push_back(std::move(by_expiry_.front().channel));
    by_expiry_.pop_front();
  }
  return expired;
}

}  // namespace chorale
