#include "broker/output_queue.h"

#include <algorithm>
#include <utility>

namespace chorale {
namespace {

// Below this a frame is cheaper to copy than to send as a buffer of its own.
constexpr size_t kShareFrom = 4 << 10;
// A chunk takes appended bytes until it has grown to this.
constexpr size_t kChunkTarget = 64 << 10;

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
  // Bytes that a write is sending may not move, and growing a string moves them.
  const bool usable = !chunks_.empty() && !chunks_.back().frame &&
                      chunks_.back().own.size() < kChunkTarget && chunks_.size() > in_flight_;
  if (!usable) chunks_.emplace_back();
  chunks_.back().own.append(bytes);
}

void OutputQueue::Append(const Frame& frame) {
  if (frame->size() < kShareFrom) {
    Append(std::string_view(*frame));
    return;
  }
  bytes_ += frame->size();
  chunks_.push_back({{}, frame});
}

void OutputQueue::Gather(std::vector<boost::asio::const_buffer>& buffers) {
  buffers.clear();
  size_t offset = front_offset_;
  size_t left = sendable();
  for (const Chunk& chunk : chunks_) {
    if (buffers.size() == kMaxBuffers || left == 0) break;
    const std::string_view view = chunk.view().substr(offset, left);
    buffers.emplace_back(view.data(), view.size());
    left -= view.size();
    offset = 0;
  }
  in_flight_ = buffers.size();
}

void OutputQueue::Consume(size_t bytes) {
  in_flight_ = 0;
  bytes_ -= bytes;
  sent_ += bytes;
  front_offset_ += bytes;
  while (!chunks_.empty() && front_offset_ >= chunks_.front().view().size()) {
    front_offset_ -= chunks_.front().view().size();
    chunks_.pop_front();
  }
}

void OutputQueue::Clear() {
  chunks_.clear();
  holds_.clear();
  front_offset_ = bytes_ = in_flight_ = 0;
}

}  // namespace chorale
