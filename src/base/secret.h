// A value that cannot be printed, compared for ordering, or converted by accident. read() is the only way to it, so a
// search for ".read()" lists every place where a secret is used.
#pragma once

#include <ostream>
#include <utility>

namespace pga {

template <class T>
class Secret {
 public:
  Secret() = default;
  explicit Secret(T value) : value_(std::move(value)) {}
  [[nodiscard]] const T& read() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

 private:
  T value_{};
};

template <class T>
std::ostream& operator<<(std::ostream& out, const Secret<T>&) {
  return out << "***";
}

}  // namespace pga
