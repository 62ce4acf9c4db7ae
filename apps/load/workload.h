// What simulated collectors send.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "base/result.h"
#include "catalog/catalog.h"
#include "collect/outbox.h"

namespace pga::load {

// The readings of one collector.
class Workload {
 public:
  virtual ~Workload() = default;
  // Adds the readings of one push to the outbox. Returns the number of rows.
  virtual std::size_t read(collect::Outbox& outbox, WallTime now) = 0;
};

// W0: 50 metrics of 9 names in rotation, with labels, whose values are random doubles in [0, 100) that nothing can shrink.
class Metrics final : public Workload {
 public:
  static constexpr std::size_t kRows = 50;
  static constexpr const char* kSource = "load.metrics";  // bench/load/load_metrics.yaml
  static Result<std::unique_ptr<Workload>> make(const catalog::Catalog& catalog, std::size_t number);
  Metrics(const catalog::Source& source, std::size_t number);
  std::size_t read(collect::Outbox& outbox, WallTime now) override;

 private:
  const catalog::Source& source_;
  const std::string name_;
  const std::string instance_;
  std::mt19937_64 random_;
};

}  // namespace pga::load
