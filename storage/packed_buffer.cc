#include "storage/packed_buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace chorale {
namespace {

// Room for `size` in steps of 16 bytes: the allocator's size classes are wider, so that growing by
// one step mostly moves nothing. A large buffer grows by a sixteenth.
size_t RoomFor(size_t size) {
  const size_t room = size < 4096 ? size : size + size / 16;
  return (room + 15) & ~size_t{15};
}

}  // namespace

PackedBuffer::PackedBuffer(const PackedBuffer& other) {
  if (other.size_ == 0) return;
  std::memcpy(Splice(0, 0, other.size_), other.data_, other.size_);
}

PackedBuffer::~PackedBuffer() { std::free(data_); }

void PackedBuffer::Resize(size_t capacity) {
  void* data = std::realloc(data_, capacity);
  if (data == nullptr) throw std::bad_alloc();
  data_ = static_cast<char*>(data);
  capacity_ = static_cast<uint32_t>(capacity);
}

char* PackedBuffer::Splice(size_t offset, size_t old_size, size_t new_size) {
  const size_t tail = size_ - offset - old_size;
  const size_t total = offset + new_size + tail;
  if (total > capacity_) Resize(RoomFor(total));
  if (tail != 0 && old_size != new_size) {
    std::memmove(data_ + offset + new_size, data_ + offset + old_size, tail);
  }
  size_ = static_cast<uint32_t>(total);
  if (size_ > 0 && RoomFor(total) < capacity_ / 2) Resize(RoomFor(total));
  return data_ + offset;
}

}  // namespace chorale
