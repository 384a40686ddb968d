#include "bench/load/histogram.h"

#include <cmath>

namespace chorale::bench {

Histogram::Histogram() : buckets_(BucketOf(kLargest) + 1) {}

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  largest_ = std::max(largest_, other.largest_);
}

double Histogram::Mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

double Histogram::MiddleOf(size_t bucket) {
  constexpr size_t kPerPower = size_t{1} << kPrecisionBits;
  if (bucket < 2 * kPerPower) return static_cast<double>(bucket);
  const size_t shift = (bucket >> kPrecisionBits) - 1;
  const uint64_t first = static_cast<uint64_t>(bucket - (shift << kPrecisionBits)) << shift;
  const auto width = static_cast<double>(uint64_t{1} << shift);
  return static_cast<double>(first) + (width - 1) / 2;
}

double Histogram::Percentile(double percent) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(percent / 100 * static_cast<double>(count_));
  const int64_t rank = std::clamp<int64_t>(static_cast<int64_t>(wanted), 1, count_);
  if (rank == count_) return static_cast<double>(largest_);
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(MiddleOf(i), static_cast<double>(largest_));
  }
  return static_cast<double>(largest_);
}

}  // namespace chorale::bench
