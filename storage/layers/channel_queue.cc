#include "storage/layers/channel_queue.h"

#include <algorithm>
#include <utility>

namespace chorale {

void ChannelQueue::Push(std::string_view message, int64_t expires_at_ms, int64_t sent_at_ms) {
  messages_.push_back({std::string(message), expires_at_ms, sent_at_ms});
  bytes_ += message.size();
  expires_at_ms_ = std::max(expires_at_ms_, expires_at_ms);
  if (g_persistent) unsaved_bytes_.Add(message.size() + kUnsavedRowBytes);
}

std::string ChannelQueue::Pop() {
  Add(counters_->received);
  return TakeFront();
}

std::string ChannelQueue::TakeFront() {
  std::string bytes = std::move(messages_.front().bytes);
  messages_.pop_front();
  if (first_ >= disk_end_) unsaved_bytes_.Remove(bytes.size() + kUnsavedRowBytes);
  ++first_;
  bytes_ -= bytes.size();
  return bytes;
}

size_t ChannelQueue::DropExpired(int64_t now_ms) {
  size_t dropped = 0;
  for (; !messages_.empty() && messages_.front().expires_at_ms <= now_ms; ++dropped) TakeFront();
  if (dropped > 0) Add(counters_->expired, dropped);
  return dropped;
}

bool ChannelQueue::Save(HoldBack hold_back, EraseRows erase, PutRow put) {
  const uint64_t gone = std::min(first_, disk_end_);
  if (disk_begin_ < gone) erase(disk_begin_, gone);
  disk_begin_ = first_;
  disk_end_ = std::max(disk_end_, first_);
  for (size_t i = disk_end_ - first_; i < messages_.size(); ++i, ++disk_end_) {
    const Message& message = messages_[i];
    if (hold_back.Has(message.sent_at_ms)) return false;
    put(disk_end_, message.bytes, message.expires_at_ms);
    unsaved_bytes_.Remove(message.bytes.size() + kUnsavedRowBytes);
  }
  return true;
}

bool ChannelQueue::Restore(uint64_t number, std::string message, int64_t expires_at_ms) {
  if (messages_.empty()) first_ = disk_begin_ = number;
  if (number != first_ + messages_.size()) return false;
  bytes_ += message.size();
  expires_at_ms_ = std::max(expires_at_ms_, expires_at_ms);
  messages_.push_back({std::move(message), expires_at_ms, 0});
  disk_end_ = first_ + messages_.size();
  return true;
}

size_t ChannelQueue::MemoryUsage() const {
  return sizeof(*this) + messages_.size() * sizeof(Message) + bytes_;
}

}  // namespace chorale
