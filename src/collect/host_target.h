// Watches this machine and the collector itself.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "collect/gatherer.h"
#include "collect/host_readers.h"
#include "collect/intervals.h"
#include "net/loop.h"

namespace pga::collect {

struct HostTargetOptions {
  std::string name;            // host name
  std::string collector_name;  // what the collector calls itself
  bool host = true;            // read /proc; the collector's own cost is read in any case
  SteadyTime beat{};           // of its Schedule
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
};

class HostTarget {
 public:
  // Everything outlives the task that run() is.
  HostTarget(HostTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals, const LocalServers& servers,
             net::Loop& loop, Outbox& outbox, SelfStats& stats, journal::Journal& spool, Clock& clock);
  net::Task<> run();
  void read_once();

 private:
  // Of a source of scope processes there is a gatherer for each server, by the name of its target.
  struct Item {
    Gatherer gatherer;
    std::map<std::string, Gatherer> by_server;
    std::map<std::string, int> postmasters;
  };
  void read(Item& item);
  void read_processes(Item& item);
  void add(Gatherer& gatherer, const wire::Target& target, std::int64_t started_us, SteadyTime started, Reading reading);

  const HostTargetOptions options_;
  const Intervals& intervals_;
  net::Loop& loop_;
  Outbox& outbox_;
  SelfStats& stats_;
  journal::Journal& spool_;
  Clock& clock_;
  wire::Target host_;
  wire::Target self_;
  HostReaders readers_;
  const LocalServers& servers_;
  std::vector<Item> items_;
};

}  // namespace pga::collect
