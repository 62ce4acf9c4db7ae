#include "store/slices.h"

#include <algorithm>

#include "store/limits.h"

namespace pga::store {
namespace {

using std::chrono::microseconds;

std::int64_t floor_to(std::int64_t value, std::int64_t step) { return value - ((value % step) + step) % step; }
std::int64_t ceil_to(std::int64_t value, std::int64_t step) { return -floor_to(-value, step); }
std::int64_t us(microseconds duration) { return duration.count(); }

Resolution coarsest(Window window, std::int64_t now_us, const Retention& retention, microseconds raw_max) {
  const std::int64_t length = window.to_us - window.from_us, age = now_us - window.from_us;
  if (length <= us(raw_max) && age <= us(retention.raw)) return Resolution::kRaw;
  if (length <= us(kFiveMinutesWindowMax) && age <= us(retention.five_minutes)) return Resolution::kFiveMinutes;
  return Resolution::kOneHour;
}

}  // namespace

std::vector<Slice> plan_slices(Window window, std::int64_t now_us, const Retention& retention, RolledUntil rolled, microseconds raw_max) {
  const Resolution coarse = coarsest(window, now_us, retention, raw_max);
  std::vector<Slice> slices;
  std::int64_t at = window.from_us;
  const auto take = [&](Resolution resolution, std::int64_t until) {
    const std::int64_t step = us(width(resolution));
    const std::int64_t end = std::min(ceil_to(window.to_us, step), floor_to(until, step));
    const std::int64_t start = slices.empty() ? floor_to(at, step) : at;
    if (end <= start || at >= window.to_us) return;
    slices.push_back({resolution, {start, end}});
    at = end;
  };
  if (coarse == Resolution::kOneHour) take(Resolution::kOneHour, rolled.one_hour_us);
  if (coarse != Resolution::kRaw) take(Resolution::kFiveMinutes, rolled.five_minutes_us);
  if (at < window.to_us || slices.empty()) slices.push_back({Resolution::kRaw, {at, std::max(at, window.to_us)}});
  return slices;
}

Window covered(const std::vector<Slice>& slices) { return {slices.front().window.from_us, slices.back().window.to_us}; }

Grid plan_grid(const std::vector<Slice>& slices, std::size_t points, microseconds step_min) {
  using namespace std::chrono_literals;
  constexpr microseconds kSteps[] = {1s, 2s, 5s, 10s, 15s, 30s, 1min, 2min, 5min, 10min, 15min, 30min, 1h, 2h, 3h, 6h, 12h, 24h};
  for (const Slice& slice : slices) step_min = std::max(step_min, width(slice.resolution));
  const Window window = covered(slices);
  const auto wanted = static_cast<std::int64_t>(std::clamp<std::size_t>(points, 2, kPointsMax));
  const auto fits = [&](std::int64_t step) { return ceil_to(window.to_us, step) - floor_to(window.from_us, step) <= wanted * step; };
  std::int64_t step = 0;
  for (const microseconds candidate : kSteps) {
    step = us(candidate);
    if (candidate >= step_min && fits(step)) break;
  }
  while (!fits(step)) step += us(24h);
  Grid grid{floor_to(window.from_us, step), step, 0};
  grid.points = static_cast<std::size_t>(std::max<std::int64_t>(1, (ceil_to(window.to_us, step) - grid.start_us) / step));
  return grid;
}

}  // namespace pga::store
