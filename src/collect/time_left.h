// How long what a server has under way will still take (catalog::Column::time_left_of).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "collect/cells.h"

namespace pga::collect {

class TimeLeft {
 public:
  explicit TimeLeft(const catalog::Source& source);  // outlives this

  // Fills in the columns, in microseconds, from how much was done since earlier readings of the same thing: what has the same keys and
  // times. Absent at the first reading, after a standstill of a minute, and where the total is not known.
  void apply(Reading& reading);

 private:
  struct Seen {
    std::int64_t at_us = 0;
    std::int64_t done = 0;
  };
  struct Operation {
    std::deque<Seen> seen;  // of the last minute, oldest first
    bool is_under_way = false;
  };
  [[nodiscard]] std::string name_of(const Cells& cells, std::size_t row) const;

  struct Column {
    std::size_t left = 0, done = 0, total = 0;  // indices
    std::map<std::string, Operation> operations = {};
  };
  const catalog::Source& source_;
  std::vector<Column> columns_;
};

}  // namespace pga::collect
