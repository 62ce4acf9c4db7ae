// The machine's own statistics from /proc and statvfs: one function a source, chosen by the declaration's `reader`.
#pragma once

#include <filesystem>
#include <string>

#include "catalog/catalog.h"
#include "collect/cells.h"

namespace pga::collect {

// Reads a source of scope host. `proc` is "/proc" but for tests. Never fails: what went wrong is in the reading.
Reading read_host(const catalog::Source& source, const std::filesystem::path& proc);

// Fills columns by name; a name that the declaration does not have is our mistake. For readers that are not SQL.
class RowWriter {
 public:
  RowWriter(const catalog::Source& source, Cells& cells);
  void row();  // begins the next row
  void set(std::string_view column, std::int64_t value);
  void set_double(std::string_view column, double value);
  void set_text(std::string_view column, std::string value);

 private:
  CellColumn& at(std::string_view column);
  const catalog::Source& source_;
  Cells& cells_;
};

}  // namespace pga::collect
