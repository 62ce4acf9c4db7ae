// A collector without a database: outbox, spool, uplink and link are the product's; only its readings are made up.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "collect/outbox.h"
#include "histogram.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "plan.h"
#include "uplink/link.h"
#include "uplink/uplink.h"
#include "workload.h"

namespace pga::load {

// Of all collectors of this process; from any thread.
struct Tally {
  std::mutex mutex;
  Histogram from_due;                         // from the moment in which a push was due to its acknowledgement
  Histogram from_send;                        // from its request to its answer
  std::map<unsigned, std::uint64_t> refused;  // requests by status that was not 200; 0: no answer
  std::string last_error;
};

class SimulatedCollector {
 public:
  // All outlive it. Fails when the spool cannot be opened.
  static Result<std::unique_ptr<SimulatedCollector>> make(const Plan& plan, std::size_t number, std::unique_ptr<Workload> workload,
                                                          net::Loop& loop, Clock& clock, Random& random, Tally& tally);
  ~SimulatedCollector();

  net::Task<Status> ready();  // enrols, gets a token
  net::Task<> send();         // what is in the spool, until the loop stops
  // Makes the readings of all pushes, each when it is due, the first at `begin`; or, in a closed loop, when those before it are acknowledged.
  net::Task<> push_all(SteadyTime begin);
  net::Task<bool> drain(Deadline deadline);

  [[nodiscard]] std::uint64_t pushes_made() const { return made_; }
  [[nodiscard]] Amount amount_made() const { return amount_made_; }
  [[nodiscard]] uplink::UplinkStats stats() const;
  [[nodiscard]] uplink::LinkStats link_stats() const;

 private:
  class Transport;
  SimulatedCollector(const Plan& plan, net::Loop& loop, Clock& clock, Tally& tally);
  Status acknowledged(const journal::Record& record);
  net::Task<Status> push(SteadyTime due, WallTime readings_of);
  net::Task<> push_scheduled(SteadyTime begin);
  net::Task<> push_flat_out(SteadyTime begin);

  const Plan& plan_;
  net::Loop& loop_;
  Clock& clock_;
  Tally& tally_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<journal::Journal> spool_;
  std::unique_ptr<collect::Outbox> outbox_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<uplink::Uplink> uplink_;
  std::vector<SteadyTime> due_;  // by sequence number; filled in before the frame is in the spool
  std::atomic<std::uint64_t> made_ = 0;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  Amount amount_made_;
  net::Event was_acknowledged_;
};

}  // namespace pga::load
