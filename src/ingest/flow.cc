#include "ingest/flow.h"

#include <algorithm>
#include <cmath>

namespace pga::ingest {

Flow::Lease::Lease(Flow& flow, directory::CollectorId collector, directory::TenantId tenant, std::size_t bytes)
    : flow_(flow), collector_(collector), tenant_(tenant), bytes_(bytes) {
  ++flow_.collectors_.at(collector_).frames;
  flow_.tenants_[tenant_] += bytes_;
}

Flow::Lease::~Lease() {
  --flow_.collectors_.at(collector_).frames;
  if (const auto tenant = flow_.tenants_.find(tenant_); (tenant->second -= bytes_) == 0) flow_.tenants_.erase(tenant);
}

double Flow::bytes_now(const Use& use) const {
  const double seconds = std::chrono::duration<double>(clock_.steady_now() - use.at).count();
  return std::min(options_.bytes_burst, use.bytes_left + seconds * options_.bytes_per_second);
}

Flow::Use& Flow::use_of(directory::CollectorId collector) {
  if (collectors_.size() >= options_.collectors_max && !collectors_.contains(collector)) {
    std::erase_if(collectors_, [&](const auto& c) { return c.second.frames == 0 && bytes_now(c.second) >= options_.bytes_burst; });
  }
  return collectors_.try_emplace(collector, Use{0, options_.bytes_burst, clock_.steady_now()}).first->second;
}

Flow::Admission Flow::admit(const directory::Collector& collector, std::size_t bytes) {
  Use& use = use_of(collector.id);
  Admission out;
  const auto tenant = tenants_.find(collector.tenant);
  const double left = bytes_now(use);
  if (use.frames >= options_.frames_at_once_max) {
    out = {nullptr, std::chrono::seconds{1}, "too many frames of this collector are under way"};
  } else if (tenant != tenants_.end() && tenant->second + bytes > options_.tenant_bytes_at_once_max) {
    out = {nullptr, std::chrono::seconds{1}, "too many bytes of this tenant are under way"};
  } else if (left <= 0) {  // a frame may overdraw: what is left grows again, whatever its size
    const double wait = std::ceil((1.0 - left) / options_.bytes_per_second);
    out = {nullptr, std::chrono::seconds{std::max(1, static_cast<int>(wait))}, "this collector sends more than it may"};
  }
  if (*out.why != '\0') {
    ++refused_;
    return out;
  }
  use.bytes_left = left - static_cast<double>(bytes);
  use.at = clock_.steady_now();
  out.lease = std::make_unique<Lease>(*this, collector.id, collector.tenant, bytes);
  return out;
}

}  // namespace pga::ingest
