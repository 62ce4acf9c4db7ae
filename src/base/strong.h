// Ids that do not mix: using ServerId = Strong<struct ServerIdTag, std::uint32_t>.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace pga {

template <class Tag, class T>
struct Strong {
  T value{};
  auto operator<=>(const Strong&) const = default;
};

}  // namespace pga

template <class Tag, class T>
struct std::hash<pga::Strong<Tag, T>> {
  std::size_t operator()(const pga::Strong<Tag, T>& id) const noexcept { return std::hash<T>{}(id.value); }
};
