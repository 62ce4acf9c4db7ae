// The declarations compiled into this binary.
#pragma once

#include <span>
#include <string_view>

namespace pga::catalog {

struct Declaration {
  std::string_view file;  // "catalog/postgres/databases.yaml"
  std::string_view text;
};
std::span<const Declaration> builtin_declarations();

}  // namespace pga::catalog
