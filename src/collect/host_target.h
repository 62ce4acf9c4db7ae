// Watches this machine and the collector itself.
#pragma once

#include <functional>
#include <string>

#include "catalog/catalog.h"
#include "collect/gatherer.h"
#include "collect/intervals.h"
#include "net/loop.h"

namespace pga::collect {

struct HostTargetOptions {
  std::string name;            // host name
  std::string collector_name;  // what the collector calls itself
  bool host = true;            // read /proc; the collector's own cost is read in any case
  std::filesystem::path proc = "/proc";
};

class HostTarget {
 public:
  HostTarget(HostTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals, net::Loop& loop, Outbox& outbox,
             SelfStats& stats, journal::Journal& spool, Clock& clock);
  net::Task<> run();
  void read_once();

 private:
  void read(Gatherer& gatherer);

  const HostTargetOptions options_;
  const Intervals& intervals_;
  net::Loop& loop_;
  Outbox& outbox_;
  SelfStats& stats_;
  journal::Journal& spool_;
  Clock& clock_;
  wire::Target host_;
  wire::Target self_;
  std::vector<Gatherer> gatherers_;
};

}  // namespace pga::collect
