// How much one collector, and one tenant, may ask for at a time, so that whoever floods us costs the others nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "directory/fleet.h"
#include "ingest/limits.h"

namespace pga::ingest {

struct FlowOptions {
  std::size_t frames_at_once_max = 8;  // of a collector; ours sends one at a time
  std::size_t tenant_bytes_at_once_max = kWaitingBytesMax / 2;
  double bytes_burst = 64.0 * kMiB;      // of a collector: a backlog may come fast,
  double bytes_per_second = 4.0 * kMiB;  // and this for ever; the largest frame of a 1 s interval
  std::size_t collectors_max = 200'000;  // remembered; beyond, those with full buckets are forgotten
};

// Not thread-safe: one loop owns it. Leases may outlive requests, not the Flow.
class Flow {
 public:
  Flow(FlowOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // While it lives, the frame counts as under way.
  class Lease {
   public:
    Lease(Flow& flow, directory::CollectorId collector, directory::TenantId tenant, std::size_t bytes);
    ~Lease();
    Lease(const Lease&) = delete;

   private:
    Flow& flow_;
    const directory::CollectorId collector_;
    const directory::TenantId tenant_;
    const std::size_t bytes_;
  };

  // A lease, or how long to wait before the next try.
  struct Admission {
    std::unique_ptr<Lease> lease;
    std::chrono::seconds wait{0};
    const char* why = "";
  };
  Admission admit(const directory::Collector& collector, std::size_t bytes);
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Use {
    std::size_t frames = 0;  // under way
    double bytes_left = 0;
    SteadyTime at{};
  };
  [[nodiscard]] double bytes_now(const Use& use) const;
  Use& use_of(directory::CollectorId collector);

  const FlowOptions options_;
  const Clock& clock_;
  std::map<directory::CollectorId, Use> collectors_;
  std::map<directory::TenantId, std::size_t> tenants_;  // bytes under way
  std::uint64_t refused_ = 0;
};

}  // namespace pga::ingest
