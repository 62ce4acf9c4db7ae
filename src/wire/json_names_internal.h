// Names of enumerators in the JSON twin, in the order of their values.
#pragma once

#include <array>
#include <string_view>

namespace pga::wire {

inline constexpr std::array<std::string_view, 5> kKindNames{"key", "counter", "gauge", "text", "time"};
inline constexpr std::array<std::string_view, 5> kTypeNames{"int", "bool", "string", "time", "double"};

}  // namespace pga::wire
