#include "api/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace pga::api {

double RateLimit::tokens_now(const Bucket& bucket) const {
  const double passed = std::chrono::duration<double>(clock_.steady_now() - bucket.at).count();
  return std::min(options_.burst, bucket.tokens + passed / std::chrono::duration<double>(options_.refill).count());
}

std::optional<std::chrono::seconds> RateLimit::take(const std::string& key) {
  if (buckets_.size() >= options_.keys_max && !buckets_.contains(key)) forget();
  Bucket& bucket = buckets_.try_emplace(key, Bucket{options_.burst, clock_.steady_now()}).first->second;
  bucket = {tokens_now(bucket), clock_.steady_now()};
  if (bucket.tokens < 1) {
    const double wait = (1 - bucket.tokens) * std::chrono::duration<double>(options_.refill).count();
    return std::chrono::seconds(static_cast<std::int64_t>(std::ceil(wait)));
  }
  bucket.tokens -= 1;
  return std::nullopt;
}

void RateLimit::give_back(const std::string& key) {
  if (const auto found = buckets_.find(key); found != buckets_.end())
    found->second.tokens = std::min(options_.burst, found->second.tokens + 1);
}

void RateLimit::forget() {
  std::erase_if(buckets_, [this](const auto& entry) { return tokens_now(entry.second) >= options_.burst; });
  while (buckets_.size() >= options_.keys_max) {
    const auto fullest = std::max_element(buckets_.begin(), buckets_.end(),
                                          [this](const auto& a, const auto& b) { return tokens_now(a.second) < tokens_now(b.second); });
    buckets_.erase(fullest);
  }
}

}  // namespace pga::api
