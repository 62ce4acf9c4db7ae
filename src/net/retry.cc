#include "net/retry.h"

#include <algorithm>

namespace pga::net {
namespace {

constexpr std::chrono::milliseconds kRetryAfterMax = std::chrono::minutes(5);

}  // namespace

std::chrono::milliseconds Backoff::next(std::optional<std::chrono::seconds> retry_after) {
  std::chrono::milliseconds bound = options_.first;
  for (int i = 0; i < failures_ && bound < options_.cap; ++i) bound *= 2;
  bound = std::min(bound, options_.cap);
  if (failures_ < 1'000) ++failures_;
  const std::chrono::milliseconds pause(static_cast<std::int64_t>(static_cast<double>(bound.count()) * random_.next_unit()));
  if (!retry_after) return pause;
  const std::chrono::milliseconds asked = std::clamp<std::chrono::milliseconds>(*retry_after, std::chrono::milliseconds(0), kRetryAfterMax);
  return std::max(pause, asked);
}

}  // namespace pga::net
