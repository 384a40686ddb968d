// The bytes that a connection has received and not yet consumed. Grows to hold a large bulk string
// at once so that its bytes are never copied on the way to the store. An empty one takes no memory.
// One thread's.

#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace chorale {

class ReadBuffer {
 public:
  static constexpr size_t kBusyCapacity = 32 << 10;

  ReadBuffer() = default;
  ReadBuffer(ReadBuffer&& other) noexcept { swap(other); }
  ReadBuffer& operator=(ReadBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  std::string_view unread() const { return {bytes_.get() + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  size_t capacity() const { return capacity_; }

  // Where the next bytes go, and how many there is room for.
  char* tail() { return bytes_.get() + end_; }
  size_t room() const { return capacity_ - end_; }
  void Commit(size_t bytes) { end_ += bytes; }

  void Consume(size_t bytes) { begin_ += bytes; }

  // Makes sure that `total` unread bytes fit, moving what is there to the front if need be.
  void Reserve(size_t total) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ + total <= capacity_) return;
    if (total <= capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
      return;
    }
    Reallocate(total);
  }

  // Gives back the memory that takes no unread bytes.
  void ShrinkToFit() {
    if (size() < capacity_) Reallocate(size());
  }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  void swap(ReadBuffer& other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
  }

  void Reallocate(size_t capacity) {
    if (capacity == 0) {
      *this = ReadBuffer();
      return;
    }
    // malloc leaves pages of a large block untouched until bytes arrive: an announced length
    // costs address space, not memory.
    auto* bytes = static_cast<char*>(std::malloc(capacity));
    if (bytes == nullptr) throw std::bad_alloc();
    const size_t unread = size();
    if (unread > 0) std::memcpy(bytes, bytes_.get() + begin_, unread);
    bytes_.reset(bytes);
    begin_ = 0;
    end_ = unread;
    capacity_ = capacity;
  }

  std::unique_ptr<char, Free> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace chorale
