// A growing run of bytes in one allocation, the ground of every small encoding. It takes 16 bytes
// where std::string takes 32, and grows in small steps, because most small collections stop
// growing early. Owned by one value and guarded by whatever guards that. At most 4 GiB.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace chorale {

class PackedBuffer {
 public:
  PackedBuffer() = default;
  PackedBuffer(const PackedBuffer& other);
  PackedBuffer(PackedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  PackedBuffer& operator=(PackedBuffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~PackedBuffer();

  const char* data() const { return data_; }
  char* data() { return data_; }
  size_t size() const { return size_; }
  size_t MemoryUsage() const { return capacity_; }

  // Puts `old_size` bytes at `offset` out and leaves room for `new_size` bytes in their place,
  // whose content is undefined. Returns the room. Moves the buffer: pointers into it end.
  char* Splice(size_t offset, size_t old_size, size_t new_size);

 private:
  void Resize(size_t capacity);

  char* data_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace chorale
