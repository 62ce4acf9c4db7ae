#include "histogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace pga::load {
namespace {

using std::chrono::nanoseconds;

TEST_CASE("percentiles are those of the sorted values, to within 1 %") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> shape(14, 2);  // around a millisecond, with a long tail
  std::vector<double> values;
  Histogram histogram, half;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(std::floor(shape(random)));
    (i % 2 == 0 ? histogram : half).record(nanoseconds(static_cast<std::int64_t>(values.back())));
  }
  histogram.add(half);
  std::ranges::sort(values);
  CHECK(histogram.count() == values.size());
  for (const double share : {0.0, 0.01, 0.5, 0.95, 0.99, 0.999, 1.0}) {
    CAPTURE(share);
    const double exact = values[std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(share * 20'000))) - 1] / 1e6;
    CHECK(histogram.percentile_ms(share) >= exact);
    CHECK(histogram.percentile_ms(share) <= exact * 1.01);
  }
  CHECK(histogram.max_ms() == values.back() / 1e6);
  double sum = 0;
  for (const double value : values) sum += value;
  CHECK(histogram.mean_ms() == doctest::Approx(sum / 20'000 / 1e6));
}

TEST_CASE("buckets hold every value once, in ascending order, and values beyond all of them") {
  Histogram histogram;
  CHECK(histogram.percentile_ms(0.5) == 0);
  CHECK(histogram.buckets().empty());
  const std::vector<std::int64_t> values = {-5, 0, 1, 127, 128, 255, 256, 257, 511, 512, 1'000'000, 1'000'000'000, INT64_MAX};
  for (const std::int64_t value : values) histogram.record(nanoseconds(value));
  std::uint64_t sum = 0, before = 0;
  for (const auto& [upper, count] : histogram.buckets()) {
    CHECK((sum == 0 || upper > before));
    before = upper;
    sum += count;
  }
  CHECK(sum == values.size());
  CHECK(histogram.buckets().front() == std::pair<std::uint64_t, std::uint64_t>(0, 2));
}

}  // namespace
}  // namespace pga::load
