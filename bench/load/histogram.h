// Counts times in buckets whose width grows with the time, as HdrHistogram does: 128 buckets for
// each power of two, so that what is read from it is within 0.4 % of what was recorded. Recording
// allocates nothing. One thread's; histograms of several threads are added up afterwards.

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace chorale::bench {

class Histogram {
 public:
  // In nanoseconds, 18 minutes; what takes longer counts as this in the percentiles.
  static constexpr int64_t kLargest = (int64_t{1} << 40) - 1;

  Histogram();

  // Times below 0, of a clock that was read out of order, count as 0.
  void Record(int64_t nanoseconds) {
    nanoseconds = std::max<int64_t>(nanoseconds, 0);
    ++buckets_[BucketOf(static_cast<uint64_t>(std::min(nanoseconds, kLargest)))];
    ++count_;
    sum_ += nanoseconds;
    largest_ = std::max(largest_, nanoseconds);
  }

  void Add(const Histogram& other);

  int64_t count() const { return count_; }
  int64_t largest() const { return largest_; }
  double Mean() const;  // exact; 0 if it is empty

  // The time that `percent` (above 0, at most 100) of what was recorded did not exceed; 0 if it is
  // empty.
  double Percentile(double percent) const;

 private:
  static constexpr int kPrecisionBits = 7;

  // Times below 2^8 have a bucket each. Above, the bits below the first eight are dropped.
  static size_t BucketOf(uint64_t value) {
    const int shift = std::max(static_cast<int>(std::bit_width(value)) - (kPrecisionBits + 1), 0);
    return (static_cast<size_t>(shift) << kPrecisionBits) + static_cast<size_t>(value >> shift);
  }
  static double MiddleOf(size_t bucket);

  std::vector<int64_t> buckets_;
  int64_t count_ = 0;
  int64_t sum_ = 0;
  int64_t largest_ = 0;
};

}  // namespace chorale::bench
