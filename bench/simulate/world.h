// One run: machines, a network between them, faults drawn from the seed, and the judgement in the end.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "machines.h"
#include "network.h"

namespace pga::simulate {

struct Outcome {
  std::uint64_t seed = 0;
  std::uint64_t trace = 0;  // the same seed must give the same
  std::uint64_t rows_spooled = 0;
  std::uint64_t rows_stored = 0;
  std::uint64_t frames_acknowledged = 0;
  std::uint64_t frames_in_gaps = 0;
  std::map<std::string, int> faults;
  std::vector<std::string> wrong;  // empty: all is well
};

struct Plan {
  std::uint64_t seed = 1;
  std::size_t collectors = 3;
  std::chrono::seconds faults_for{120};    // simulated; afterwards everything is healed
  std::chrono::seconds heals_within{900};  // simulated, until everything must be in the store
};

Outcome run(const Plan& plan, const catalog::Catalog& catalog);

// The server is away for hours, and one collector keeps what it reads in a spool that is too small for that.
struct OutagePlan {
  std::uint64_t seed = 1;
  std::chrono::hours outage{24};
  std::size_t spool_bytes = 64 * kMiB;
  std::chrono::seconds ship_every{10};
};
struct OutageOutcome {
  std::uint64_t spool_bytes_most = 0;
  std::uint64_t frames_dropped = 0;  // as the spool counts them
  std::uint64_t frames_in_gaps = 0;  // as the store has them
  std::uint64_t backlog_frames = 0;  // when the server came back
  std::chrono::milliseconds catch_up{0};
  std::chrono::milliseconds oldest_fresh{0};  // the greatest age of the newest acknowledged data while it caught up
  std::vector<std::string> wrong;
};
OutageOutcome run_outage(const OutagePlan& plan, const catalog::Catalog& catalog);

}  // namespace pga::simulate
