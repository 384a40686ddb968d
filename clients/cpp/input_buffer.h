// The bytes that a connection has received and not yet consumed. Small while nothing comes, since a
// process may hold many connections; as large as one reply that is larger. One connection's, one
// thread's.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace chorale::client {

class InputBuffer {
 public:
  static constexpr size_t kIdleCapacity = 4 << 10;
  static constexpr size_t kBusyCapacity = 64 << 10;
  static constexpr size_t kLargestKept = 1 << 20;

  std::string_view unread() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void Consume(size_t bytes) { begin_ += bytes; }

  // Makes room for the next read: to `total` unread bytes at least, to more if the last read took
  // all there was. Moves what is unread.
  void Prepare(size_t total) {
    size_t capacity = capacity_ > kLargestKept ? kBusyCapacity : capacity_;
    if (end_ == capacity_) capacity = std::max(capacity, kBusyCapacity);
    capacity = std::max({capacity, total, unread().size() + 1, kIdleCapacity});
    if (capacity != capacity_) {
      Move(capacity);
    } else if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (begin_ + total > capacity_ || end_ == capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
  }
  char* tail() { return bytes_.get() + end_; }
  size_t room() const { return capacity_ - end_; }
  void Commit(size_t bytes) { end_ += bytes; }

 private:
  void Move(size_t capacity) {
    // Pages that no byte was written to take no memory: an announced length costs addresses only.
    auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
    const std::string_view kept = unread();
    if (!kept.empty()) std::memcpy(bytes.get(), kept.data(), kept.size());
    bytes_ = std::move(bytes);
    begin_ = 0;
    end_ = kept.size();
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace chorale::client
