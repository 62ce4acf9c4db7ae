// One source of one target over time: turns readings into batches and hands them to the outbox.
#pragma once

#include <memory>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "collect/increments.h"
#include "collect/outbox.h"
#include "collect/self_stats.h"

namespace pga::collect {

class Gatherer {
 public:
  // All outlive this. `database`: for sources of scope database, else empty.
  Gatherer(const catalog::Source& source, std::string database, Outbox& outbox, SelfStats& stats)
      : source_(source), database_(std::move(database)), outbox_(outbox), stats_(stats), increments_(source) {}

  void add(const wire::Target& target, Reading reading);
  void forget() { increments_.forget(); }
  [[nodiscard]] const catalog::Source& source() const { return source_; }
  [[nodiscard]] const Increments& increments() const { return increments_; }

 private:
  const catalog::Source& source_;
  const std::string database_;
  Outbox& outbox_;
  SelfStats& stats_;
  Increments increments_;
};

}  // namespace pga::collect
