#include "collect/cells.h"

#include <doctest/doctest.h>

namespace pga::collect {
namespace {

TEST_CASE("a cell that is not of its column's type is refused without saying what is in it") {
  for (const catalog::SqlType type : {catalog::SqlType::kInt, catalog::SqlType::kFloat, catalog::SqlType::kBool, catalog::SqlType::kLsn}) {
    catalog::Column column;
    column.name = "card";
    column.sql_type = type;
    const auto cell = parse_cell(column, "hunter2");
    REQUIRE(!cell);
    CHECK(cell.error().message == "column card answered 7 bytes that are not of its type");
  }
}

}  // namespace
}  // namespace pga::collect
