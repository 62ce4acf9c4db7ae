// Reads one source of scope pooler: a command of a console, whose answer has what columns it has.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "collect/cells.h"
#include "net/task.h"
#include "pg/connection.h"

namespace pga::collect {

// The answer as a table of texts; what `at` answers need not outlive the table.
struct ShowAnswer {
  std::vector<std::string_view> names;
  std::size_t rows = 0;
  std::function<std::optional<std::string_view>(std::size_t row, std::size_t column)> at;
};

// Finds the declared columns by name, combines rows, hides texts: everything that a SELECT would have done.
Reading reading_of(const catalog::Source& source, const ShowAnswer& answer);

// Never fails: what went wrong is in the reading.
net::Task<Reading> read_show(const catalog::Source& source, pg::Connection& connection, Clock& clock);

}  // namespace pga::collect
