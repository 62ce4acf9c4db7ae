#include "histogram.h"

#include <algorithm>
#include <bit>

namespace pga::load {

// Values below 2 * kSteps have a bucket each; above, a power of two is divided into kSteps.
std::size_t Histogram::bucket_of(std::uint64_t ns) {
  ns = std::min(ns, (std::uint64_t{1} << kValueBits) - 1);
  const auto bits = static_cast<unsigned>(std::bit_width(ns));
  if (bits <= kStepBits + 1) return ns;
  const unsigned shift = bits - kStepBits - 1;
  return (static_cast<std::size_t>(shift) << kStepBits) + (ns >> shift);
}

std::uint64_t Histogram::upper_end_of(std::size_t bucket) {
  if (bucket < 2 * kSteps) return bucket;
  const std::size_t shift = (bucket >> kStepBits) - 1;
  const std::uint64_t step = bucket - (shift << kStepBits);
  return ((step + 1) << shift) - 1;
}

void Histogram::record(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
  ++counts_[bucket_of(ns)];
  ++count_;
  sum_ns_ += static_cast<double>(ns);
  max_ns_ = std::max(max_ns_, ns);
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

double Histogram::percentile_ms(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_) + 0.999999);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen > 0 && seen >= wanted) return static_cast<double>(std::min(upper_end_of(i), max_ns_)) / 1e6;
  }
  return 0;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> Histogram::buckets() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> result;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) result.emplace_back(upper_end_of(i), counts_[i]);
  }
  return result;
}

}  // namespace pga::load
