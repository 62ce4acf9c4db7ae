// The part of the doctor that asks what the role may and what the server measures, rather than reading sources.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "collect/doctor.h"
#include "pg/connection.h"

namespace pga::collect {

struct Rights {
  std::string role;
  bool superuser = false;
  bool monitor = false;                      // has the rights of pg_monitor
  std::set<std::string> extensions_on_disk;  // what CREATE EXTENSION would find
};

// Whether one of its alternatives is a function of the optional schema pganalytics (docs/sql/helper-schema.sql).
bool uses_helper(const catalog::Source& source);
// What to run for it, in one line.
std::string install_helper(const std::string& database);

// Both append to `findings`. What they are given by reference outlives them.
net::Task<Rights> examine_rights(pg::Connection& connection, const catalog::Catalog& catalog, Clock& clock, std::vector<Finding>& findings);
net::Task<> examine_helper(pg::Connection& connection, const catalog::Catalog& catalog, const Rights& rights, Clock& clock,
                           std::vector<Finding>& findings);
// Whether the server has connections left for more than the main one.
net::Task<> examine_connections(pg::Connection& connection, Clock& clock, std::vector<Finding>& findings);
net::Task<> examine_settings(pg::Connection& connection, Clock& clock, std::vector<Finding>& findings);

}  // namespace pga::collect
