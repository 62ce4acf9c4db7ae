// Token buckets by key (an account, an address), in bounded memory.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace pga::api {

struct RateLimitOptions {
  double burst = 10;                        // tries at once
  std::chrono::milliseconds refill{6'000};  // one more try every so often
  std::size_t keys_max = 10'000;            // beyond, the fullest buckets are forgotten: they held nobody back
};

// Not thread-safe: one loop owns it.
class RateLimit {
 public:
  RateLimit(RateLimitOptions options, const Clock& clock) : options_(options), clock_(clock) {}
  // Takes one token; nothing if there was one, else how long to wait for the next.
  std::optional<std::chrono::seconds> take(const std::string& key);
  void give_back(const std::string& key);  // the try was a good one

 private:
  struct Bucket {
    double tokens;
    SteadyTime at;
  };
  [[nodiscard]] double tokens_now(const Bucket& bucket) const;
  void forget();

  const RateLimitOptions options_;
  const Clock& clock_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace pga::api
