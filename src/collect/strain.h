// Whether reading something has become a strain: it takes much longer than it used to, or does not end in time. Then it is read less often,
// and as often as before when that is over.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pga::collect {

class Strain {
 public:
  // The first reading on a connection takes longer and says nothing: do not tell it. True if stretch() is another one now.
  bool observe(std::chrono::microseconds took, bool timed_out);

  [[nodiscard]] std::uint32_t stretch() const { return stretch_; }  // how many times the interval is longer: 1, 2, 4, 8, 16
  [[nodiscard]] const std::string& why() const { return why_; }     // empty while stretch() is 1
  // `interval` as it is now, at least `floor` times as long.
  [[nodiscard]] std::chrono::microseconds stretched(std::chrono::microseconds interval, std::uint32_t floor = 1) const;

 private:
  std::chrono::microseconds usual_{0};  // moving average of what it took; zero: not known
  std::uint32_t slow_in_a_row_ = 0;
  std::uint32_t stretch_ = 1;
  std::string why_;
};

}  // namespace pga::collect
