// The small encoding of a sorted set: entries of (score, member) in ascending order, packed into
// one buffer. Owned by one sorted set and guarded by whatever guards that.
//
// An entry is a header byte, the length if it did not fit there, the score and the member. The
// header's upper two bits tell how the score is kept (an integer of 1, 2 or 4 bytes, or a double:
// small counters and ranks take no more room than they need), its lower six the member's length.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/packed_buffer.h"

namespace chorale {

class PackedScores {
 public:
  struct Entry {
    double score;
    std::string_view member;
    size_t next;  // The position of the entry behind it.
  };
  struct Found {
    size_t position;
    size_t rank;
    Entry entry;
  };

  size_t size() const { return count_; }
  // Positions run from 0 to End(), the latter being past the last entry; they end with the next
  // change.
  size_t End() const { return buffer_.size(); }
  Entry At(size_t position) const;
  // The position of the entry with this rank, End() for size().
  size_t Locate(size_t rank) const;

  std::optional<Found> Find(std::string_view member) const;

  // Puts the member in its place by order; it must not be there yet.
  void Insert(std::string_view member, double score);
  // Takes out `count` entries that begin at `begin` and end before `end`.
  void Erase(size_t begin, size_t end, size_t count);

  size_t MemoryUsage() const { return buffer_.MemoryUsage(); }

 private:
  PackedBuffer buffer_;
  size_t count_ = 0;
};

}  // namespace chorale
