#include "broker/output_queue.h"

#include <algorithm>
#include <utility>

namespace chorale {
namespace {

// Below this a frame is cheaper to copy than to send as a buffer of its own.
constexpr size_t kShareFrom = 4 << 10;
// A chunk takes appended bytes until it has grown to this.
constexpr size_t kChunkTarget = 64 << 10;
// A queue that has become empty keeps room for so many chunks.
constexpr size_t kKeptChunks = 4;
// So many sent chunks may lie before the first one that is not.
constexpr size_t kSentChunks = 64;

}  // namespace

void OutputQueue::HoldUntil(uint64_t round) {
  if (!holds_.empty() && holds_.back().round >= round) return;
  holds_.push_back({round, sent_ + bytes_});
}

bool OutputQueue::Release(uint64_t done) {
  const auto kept = std::find_if(holds_.begin(), holds_.end(),
                                 [done](const Hold& hold) { return hold.round > done; });
  holds_.erase(holds_.begin(), kept);
  return holding();
}

void OutputQueue::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  const bool usable =
      !chunks_.empty() && !chunks_.back().frame && chunks_.back().own.size() < kChunkTarget;
  if (!usable) chunks_.emplace_back();
  chunks_.back().own.append(bytes);
}

void OutputQueue::Append(const Frame& frame) {
  if (frame->size() < kShareFrom && !chunks_.empty()) {
    Append(std::string_view(*frame));
    return;
  }
  bytes_ += frame->size();
  chunks_.push_back({{}, frame});
}

size_t OutputQueue::Gather(std::array<iovec, kMaxBuffers>& buffers) const {
  size_t count = 0;
  size_t offset = front_offset_;
  size_t left = sendable();
  for (size_t i = first_; i < chunks_.size() && count < kMaxBuffers && left > 0; ++i) {
    const std::string_view view = chunks_[i].view().substr(offset, left);
    buffers[count++] = {const_cast<char*>(view.data()), view.size()};
    left -= view.size();
    offset = 0;
  }
  return count;
}

void OutputQueue::Consume(size_t bytes) {
  bytes_ -= bytes;
  sent_ += bytes;
  front_offset_ += bytes;
  while (first_ < chunks_.size() && front_offset_ >= chunks_[first_].view().size()) {
    front_offset_ -= chunks_[first_].view().size();
    chunks_[first_++] = {};
  }
  if (first_ == chunks_.size()) {
    chunks_.clear();
    first_ = 0;
    if (chunks_.capacity() > kKeptChunks) chunks_.shrink_to_fit();
  } else if (first_ >= kSentChunks && first_ > chunks_.size() / 2) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<ptrdiff_t>(first_));
    first_ = 0;
  }
}

void OutputQueue::Clear() {
  chunks_ = {};
  first_ = 0;
  holds_.clear();
  front_offset_ = bytes_ = 0;
}

}  // namespace chorale
