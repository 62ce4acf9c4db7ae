// Durations counted in buckets whose width grows with the value, as HdrHistogram does: an error of less than 1 % at any size, and
// histograms of several processes add up.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace pga::load {

class Histogram {
 public:
  void record(std::chrono::nanoseconds duration);  // negative counts as 0
  void add(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double mean_ms() const { return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_) / 1e6; }
  [[nodiscard]] double max_ms() const { return static_cast<double>(max_ns_) / 1e6; }
  // The upper end of the bucket in which the given share (0 to 1) of all lies at or below; 0 if there is nothing.
  [[nodiscard]] double percentile_ms(double share) const;
  // Upper ends in nanoseconds of the buckets that are not empty, ascending, with their counts.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> buckets() const;

 private:
  static constexpr unsigned kStepBits = 7;    // 128 buckets for each power of two
  static constexpr unsigned kValueBits = 40;  // 18 minutes; what is longer goes into the last one
  static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t upper_end_of(std::size_t bucket);

  std::array<std::uint64_t, kSteps*(kValueBits - kStepBits + 1)> counts_{};
  std::uint64_t count_ = 0;
  double sum_ns_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace pga::load
