#include "collect/doctor.h"
#include "collect/host_readers.h"

namespace pga::collect {

namespace {

Finding of_reading(const catalog::Source& source, const Reading& reading) {
  Finding finding{Level::kOk, source.name, std::to_string(reading.cells.rows) + (reading.cells.rows == 1 ? " row" : " rows"), ""};
  if (reading.outcome != wire::Outcome::kComplete) {
    finding.level = Level::kAdvice;
    finding.detail = std::string(wire::to_string(reading.outcome)) + ": " + reading.detail;
  } else if (!reading.detail.empty()) {
    finding.level = Level::kAdvice;
    finding.detail += "; " + reading.detail;
  }
  return finding;
}

}  // namespace

std::vector<Finding> examine_host(const catalog::Catalog& catalog) {
  std::vector<Finding> findings;
  const LocalServers none;
  HostReaders readers("/proc", "/sys", none);
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope == catalog::Scope::kHost) findings.push_back(of_reading(source, readers.read(source)));
  }
  return findings;
}

std::vector<Finding> examine_processes(const catalog::Catalog& catalog, const LocalServer& server) {
  std::vector<Finding> findings;
  const LocalServers none;
  HostReaders readers("/proc", "/sys", none);
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope != catalog::Scope::kProcesses) continue;
    Finding finding = of_reading(source, readers.read(source, server));
    if (finding.level == Level::kAdvice) {
      finding.mend =
          "run the collector as the server's user, or give its unit AmbientCapabilities=CAP_SYS_PTRACE; what is missing is bytes "
          "by process, nothing else";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pga::collect
