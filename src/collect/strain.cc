#include "collect/strain.h"

#include <algorithm>

namespace pga::collect {
namespace {

constexpr std::chrono::milliseconds kSlow{500};  // what takes less is never a strain,
constexpr int kTimesUsual = 8;                   // nor what takes less than so many times what it used to take
constexpr std::uint32_t kInARow = 2;             // once is chance
constexpr std::uint32_t kStretchMax = 16;
constexpr std::chrono::hours kIntervalMax{1};  // nothing is stretched beyond
// The average is over so many readings, each counted as no more than twice the average: also slow ones, so that a database that has
// grown is read as often again in the end.
constexpr int kAverageOver = 8;

std::string seconds(std::chrono::microseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + std::to_string(ms % 100 / 10) + " s";
}

}  // namespace

bool Strain::observe(std::chrono::microseconds took, bool timed_out) {
  const std::uint32_t before = stretch_;
  const bool slow = timed_out || (took >= kSlow && usual_.count() > 0 && took >= kTimesUsual * usual_);
  if (slow) {
    if (++slow_in_a_row_ >= kInARow) {
      stretch_ = std::min(stretch_ * 2, kStretchMax);
      why_ = timed_out ? "it did not end in time, after " + seconds(took)
                       : "it took " + seconds(took) + " instead of " + seconds(usual_) + " as usual";
    }
  } else {
    slow_in_a_row_ = 0;
    stretch_ = std::max(stretch_ / 2, 1U);
    if (stretch_ == 1) why_.clear();
  }
  if (!timed_out) usual_ = usual_.count() == 0 ? took : usual_ + (std::min(took, 2 * usual_) - usual_) / kAverageOver;
  return stretch_ != before;
}

std::chrono::microseconds Strain::stretched(std::chrono::microseconds interval, std::uint32_t floor) const {
  const auto longer = interval * std::max(stretch_, floor);
  return std::max(interval, std::min<std::chrono::microseconds>(longer, kIntervalMax));
}

}  // namespace pga::collect
