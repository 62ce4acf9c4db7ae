// What the verbs share.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "base/clock.h"
#include "directory/database.h"
#include "directory/ids.h"

namespace pga::server {

void print(const boost::json::value& value);  // a line on standard output

// One audit row: who ran the program did this to that.
Status audit_verb(directory::Database& database, const Clock& clock, const std::string& action, const Status& outcome,
                  std::optional<directory::TenantId> tenant = std::nullopt, const std::string& detail = "");

}  // namespace pga::server
