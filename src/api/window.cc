#include "api/window.h"

#include <limits>

namespace pga::api {
namespace {

constexpr std::int64_t kMsMax = std::numeric_limits<std::int64_t>::max() / 2'000;

Result<store::Window> checked(std::int64_t from_ms, std::int64_t to_ms, const std::string& prefix) {
  const std::string from = prefix + "from (" + std::to_string(from_ms) + ")";
  if (from_ms > kMsMax || to_ms > kMsMax)
    return invalid(prefix + "from and " + prefix + "to are epoch milliseconds of at most " + std::to_string(kMsMax));
  if (from_ms >= to_ms) return invalid(from + " is not before " + prefix + "to (" + std::to_string(to_ms) + ")");
  if (std::chrono::milliseconds(to_ms - from_ms) > kWindowMax) {
    return invalid("the window of " + from + " and to " + std::to_string(to_ms) + " is longer than " + std::to_string(kWindowMax.count()) +
                   " days");
  }
  return store::Window{.from_us = from_ms * 1'000, .to_us = to_ms * 1'000};
}

}  // namespace

Result<store::Window> window_of(const Call& call, WallTime now) {
  const std::int64_t to = call.integer("to").value_or(to_micros(now) / 1'000);
  const std::int64_t from = call.integer("from").value_or(to - std::chrono::milliseconds(kWindowDefault).count());
  return checked(from, to, "");
}

Result<std::optional<store::Window>> compare_window_of(const Call& call) {
  const auto from = call.integer("compare_from");
  const auto to = call.integer("compare_to");
  if (!from && !to) return std::optional<store::Window>();
  if (!from || !to) return invalid("compare_from and compare_to are given together");
  PGA_TRY(const store::Window window, checked(*from, *to, "compare_"));
  return std::optional(window);
}

}  // namespace pga::api
