// The one place for waiting before a retry: full jitter, doubling, a cap, and the peer's own Retry-After.
#pragma once

#include <chrono>
#include <optional>

#include "base/random.h"

namespace pga::net {

struct RetryOptions {
  std::chrono::milliseconds first{1'000};
  std::chrono::milliseconds cap{60'000};
};

class Backoff {
 public:
  Backoff(RetryOptions options, Random& random) : options_(options), random_(random) {}
  // The pause before the next try: uniform in [0, min(cap, first * 2^failures)), at least `retry_after` if the peer named one (itself
  // capped at 5 minutes).
  std::chrono::milliseconds next(std::optional<std::chrono::seconds> retry_after = std::nullopt);
  void succeeded() { failures_ = 0; }
  [[nodiscard]] int failures() const { return failures_; }

 private:
  const RetryOptions options_;
  Random& random_;
  int failures_ = 0;
};

}  // namespace pga::net
