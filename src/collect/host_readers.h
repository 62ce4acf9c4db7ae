// The machine's own statistics, from /proc, /sys and statvfs: one function a source, chosen by the declaration's `reader`
// (host_context.h lists them).
#pragma once

#include <filesystem>
#include <memory>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "collect/local_servers.h"

namespace pga::collect {

struct HostContext;

class HostReaders {
 public:
  // The folders are "/proc" and "/sys" but for tests. `servers` outlives this.
  HostReaders(std::filesystem::path proc, std::filesystem::path sys, const LocalServers& servers);
  ~HostReaders();

  // Reads a source of scope host. Never fails: what went wrong is in the reading.
  Reading read(const catalog::Source& source);
  // Reads a source of scope processes for one of the servers.
  Reading read(const catalog::Source& source, const LocalServer& server);

 private:
  const std::unique_ptr<HostContext> context_;
};

}  // namespace pga::collect
