// The messages of a channel that any process may read, first in, first out. A value of the store,
// in the database of layers; guarded by its shard's lock.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "storage/entry.h"
#include "storage/layers/counters.h"
#include "storage/unsaved.h"

namespace chorale {

class ChannelQueue {
 public:
  // Where what is received and what expires is counted, and whose layer is kept alive by it. To be
  // called before the first message comes.
  void CountIn(std::shared_ptr<LayerCounters> counters) { counters_ = std::move(counters); }

  // `sent_at_ms` decides how long the message may be held back from the disk.
  void Push(std::string_view message, int64_t expires_at_ms, int64_t sent_at_ms);
  // The next message, which is received by that.
  std::string Pop();
  // Drops what has expired at the front; returns how many. What a shorter expiry of the layer let
  // expire earlier goes when it gets there.
  size_t DropExpired(int64_t now_ms);
  // The queue is about to be deleted because the last of its messages has expired.
  void CountAllExpired() { Add(counters_->expired, messages_.size()); }

  size_t size() const { return messages_.size(); }
  // When the last of the messages expires.
  int64_t expires_at_ms() const { return expires_at_ms_; }
  size_t MemoryUsage() const;

  // ---- persistence ----
  // The numbers of the messages of which there are rows: from begin to before end.
  uint64_t disk_begin() const { return disk_begin_; }
  uint64_t disk_end() const { return disk_end_; }
  using EraseRows = absl::FunctionRef<void(uint64_t begin, uint64_t end)>;
  using PutRow =
      absl::FunctionRef<void(uint64_t number, std::string_view message, int64_t expires_at_ms)>;
  // Has rows written and erased. False if a message is held back, and those behind it.
  bool Save(HoldBack hold_back, EraseRows erase, PutRow put);
  // Appends a message of which there is a row. False if one before it is missing.
  [[nodiscard]] bool Restore(uint64_t number, std::string message, int64_t expires_at_ms);

 private:
  struct Message {
    std::string bytes;
    int64_t expires_at_ms;
    int64_t sent_at_ms;
  };
  std::string TakeFront();

  std::shared_ptr<LayerCounters> counters_;
  std::deque<Message> messages_;
  size_t bytes_ = 0;
  int64_t expires_at_ms_ = 0;
  uint64_t first_ = 0;  // the number of the message at the front
  uint64_t disk_begin_ = 0, disk_end_ = 0;
  UnsavedBytes unsaved_bytes_;  // of the messages that have no row
};

template <>
inline constexpr ValueType kValueTypeOf<ChannelQueue> = ValueType::kChannelQueue;

}  // namespace chorale
