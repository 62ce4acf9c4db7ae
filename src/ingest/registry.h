// The collectors as this process knows them, by uuid, and what they did since it was last noted in the directory.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "directory/fleet.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/task.h"

namespace pga::ingest {

inline constexpr std::chrono::seconds kRegistryAgeMax{5};  // a revocation takes effect within this
inline constexpr std::chrono::seconds kActivityNotedEvery{2};
inline constexpr std::chrono::minutes kSkewWindow{5};
inline constexpr std::chrono::seconds kReplacedGrace{60};  // requests under way while a collector changes its certificate

// Estimates a collector's clock minus ours. A frame that took longer to arrive only looks earlier, so the largest difference of the
// last five to ten minutes is the best.
class SkewEstimate {
 public:
  void add(std::int64_t sent_us, WallTime received);
  [[nodiscard]] std::chrono::microseconds value() const { return std::chrono::microseconds(std::max(current_, previous_)); }

 private:
  static constexpr std::int64_t kNone = INT64_MIN;
  std::int64_t current_ = kNone;
  std::int64_t previous_ = kNone;
  WallTime since_{};
};

// Why a collector is refused until a person does something, and what that is; empty: it is not.
std::string why_refused(const directory::Collector& collector);

class Registry {
 public:
  Registry(net::Loop& loop, const Clock& clock, directory::Fleet& fleet, std::string authority_name)
      : loop_(loop), clock_(clock), fleet_(fleet), authority_(std::move(authority_name)) {}

  // The collector whose certificate this is. kUnauthorized: not one of ours, or unknown; kForbidden: revoked, locked, or the certificate is
  // expired. A certificate that comes back after its successor was used means that two have the state directory: the collector is locked.
  net::Task<Result<directory::Collector>> identify(const net::PeerCertificate& peer);
  void put(const directory::Collector& collector);  // just enrolled or renewed

  // spiffe://<authority>/tenant/<id>/collector/<uuid>
  [[nodiscard]] std::string uri(const directory::Collector& collector) const;

  void note_accepted(const directory::Collector& collector, std::uint64_t rows, std::int64_t sent_us, const std::string& version);
  void note_duplicate(const directory::Collector& collector) { ++activity(collector).duplicates; }
  void note_refused(const directory::Collector& collector) { ++activity(collector).refused; }

  // Notes what the collector has and thinks of it, and says what it should have.
  net::Task<Result<directory::CollectorConfiguration>> sync_configuration(const directory::Collector& collector, std::int64_t seen,
                                                                          const std::optional<std::string>& refused);

  net::Task<Status> reload();
  net::Task<Status> write_activity();  // what could not be written is kept for the next time
  net::Task<> run();                   // reloads and writes until the loop stops, then writes a last time

 private:
  net::Task<Status> check_generation(directory::Collector& collector, const net::PeerCertificate& peer);
  directory::CollectorActivity& activity(const directory::Collector& collector);
  void put_back(const directory::CollectorActivity& failed);  // under what happened since

  net::Loop& loop_;
  const Clock& clock_;
  directory::Fleet& fleet_;
  const std::string authority_;
  std::map<std::string, directory::Collector> collectors_;
  SteadyTime loaded_{};
  // What was put while reloads read: newer than what they found, but for revoked and locked.
  struct Put {
    std::uint64_t number = 0;
    directory::Collector collector;
  };
  std::map<std::string, Put> puts_;
  std::uint64_t put_count_ = 0;
  int reloads_ = 0;  // under way
  std::map<directory::CollectorId, directory::CollectorActivity> activity_;
  std::map<directory::CollectorId, SkewEstimate> skew_;
};

}  // namespace pga::ingest
