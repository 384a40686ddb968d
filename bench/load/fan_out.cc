#include "bench/load/fan_out.h"

#include <bit>

namespace chorale::bench {

FanOut::FanOut(Loop& sender_loop, uint32_t sender, size_t window, Pace pace, int receivers)
    : sender_loop_(sender_loop),
      sender_(sender),
      pace_(pace),
      receivers_(receivers),
      missing_(window),
      unreplied_(std::bit_ceil(window)) {}

size_t FanOut::Room() {
  const size_t under_way = under_way_.load(std::memory_order_acquire);
  if (pace_ == Pace::kSliding) return missing_.size() - under_way;
  if (under_way == 0) begun_ = 0;
  return missing_.size() - begun_;
}

Stamp FanOut::Begin(int64_t intended) {
  // Room() has said that one is free. Mostly it is the next one.
  do {
    last_ = last_ + 1 == missing_.size() ? 0 : last_ + 1;
  } while (missing_[last_].load(std::memory_order_acquire) != 0);
  missing_[last_].store(receivers_, std::memory_order_release);
  under_way_.fetch_add(1, std::memory_order_acq_rel);
  ++begun_;
  unreplied_[sent_++ & (unreplied_.size() - 1)] = last_;
  return {sender_, static_cast<uint32_t>(last_), intended};
}

void FanOut::Replied(int receivers_left_out) {
  const size_t slot = unreplied_[replied_++ & (unreplied_.size() - 1)];
  if (receivers_left_out > 0) CountDown(missing_[slot], receivers_left_out);
}

bool FanOut::Arrived(const Stamp& stamp) {
  if (stamp.slot >= missing_.size()) return false;
  if (missing_[stamp.slot].load(std::memory_order_acquire) <= 0) return false;
  CountDown(missing_[stamp.slot], 1);
  return true;
}

void FanOut::CountDown(std::atomic<int>& slot, int receivers) {
  if (slot.fetch_sub(receivers, std::memory_order_acq_rel) != receivers) return;
  const size_t under_way = under_way_.fetch_sub(1, std::memory_order_acq_rel) - 1;
  if (under_way == 0 || pace_ == Pace::kSliding) sender_loop_.Wake();
}

bool Deliver(Loop& loop, std::vector<std::unique_ptr<FanOut>>& senders, std::string_view message,
             size_t stamp_at) {
  Stamp stamp;
  if (!ReadStamp(message, stamp_at, &stamp) || stamp.sender >= senders.size()) return false;
  if (!senders[stamp.sender]->Arrived(stamp)) return false;
  if (loop.measured()) {
    loop.deliveries.Add(1);
    loop.delivery_latency.Record(loop.now() - stamp.intended);
  }
  return true;
}

}  // namespace chorale::bench
