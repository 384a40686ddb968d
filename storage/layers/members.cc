#include "storage/layers/members.h"

#include <iterator>
#include <utility>

namespace chorale {

bool Members::Join(std::string_view channel, int64_t expires_at_ms) {
  const auto found = by_channel_.find(channel);
  if (found != by_channel_.end()) {
    const auto place = PlaceFor(expires_at_ms);
    found->second->expires_at_ms = expires_at_ms;
    by_expiry_.splice(place, by_expiry_, found->second);
    return false;
  }
  const auto member =
      by_expiry_.insert(PlaceFor(expires_at_ms), {std::string(channel), expires_at_ms});
  by_channel_.emplace(channel, member);
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

std::list<Members::Member>::iterator Members::PlaceFor(int64_t expires_at_ms) {
  auto place = by_expiry_.end();
  while (place != by_expiry_.begin() && std::prev(place)->expires_at_ms > expires_at_ms) --place;
  return place;
}

}  // namespace chorale
