#include "storage/layers/channel_queue.h"

#include <algorithm>
#include <utility>

namespace chorale {

void ChannelQueue::Push(std::string_view message, int64_t expires_at_ms) {
  messages_.push_back({std::string(message), expires_at_ms});
  bytes_ += message.size();
  expires_at_ms_ = std::max(expires_at_ms_, expires_at_ms);
}

std::string ChannelQueue::Pop() {
  Add(counters_->received);
  return TakeFront();
}

std::string ChannelQueue::TakeFront() {
  std::string bytes = std::move(messages_.front().bytes);
  messages_.pop_front();
  bytes_ -= bytes.size();
  return bytes;
}

size_t ChannelQueue::DropExpired(int64_t now_ms) {
  size_t dropped = 0;
  for (; !messages_.empty() && messages_.front().expires_at_ms <= now_ms; ++dropped) TakeFront();
  if (dropped > 0) Add(counters_->expired, dropped);
  return dropped;
}

size_t ChannelQueue::MemoryUsage() const {
  return sizeof(*this) + messages_.size() * sizeof(Message) + bytes_;
}

}  // namespace chorale
