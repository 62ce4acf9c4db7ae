// One source of one target over time: turns readings into batches and hands them to the outbox.
#pragma once

#include <memory>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "collect/increments.h"
#include "collect/objects.h"
#include "collect/outbox.h"
#include "collect/self_stats.h"
#include "collect/time_left.h"

namespace pga::collect {

class Gatherer {
 public:
  // All outlive this. `database`: for sources of scope database, else empty.
  Gatherer(const catalog::Source& source, std::string database, Outbox& outbox, SelfStats& stats)
      : source_(source),
        database_(std::move(database)),
        outbox_(outbox),
        stats_(stats),
        increments_(source),
        objects_(source),
        time_left_(source) {}

  void add(const wire::Target& target, Reading reading);
  // The server was restarted: its counters begin again, its objects are what they were. Or it is another one.
  void forget(bool another_server) {
    increments_.forget();
    if (another_server) objects_.forget();
  }
  [[nodiscard]] const catalog::Source& source() const { return source_; }
  [[nodiscard]] std::vector<std::int64_t> marks(std::int64_t now_us) const { return increments_.marks(now_us); }
  // As Increments::new_first_keys, of the last reading.
  [[nodiscard]] const std::vector<std::int64_t>& new_first_keys() const { return increments_.new_first_keys(); }

 private:
  const catalog::Source& source_;
  const std::string database_;
  Outbox& outbox_;
  SelfStats& stats_;
  Increments increments_;
  Objects objects_;  // for sources of shape objects
  TimeLeft time_left_;
};

}  // namespace pga::collect
