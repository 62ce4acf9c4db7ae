// Coarse timeouts of many connections: arming is O(1), and one timer per loop turns the wheel. A timeout comes up to one tick late, never
// early.
#pragma once

#include <algorithm>
#include <array>
#include <boost/intrusive/list.hpp>
#include <chrono>

namespace pga::net {

class Wheel {
 public:
  static constexpr std::size_t kSlots = 128;

  struct Node : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    bool timed_out = false;
  };

  // Fine enough for the longest timeout to fit in one turn.
  explicit Wheel(std::chrono::milliseconds timeout_max)
      : tick_(std::max<std::chrono::milliseconds>(timeout_max / 100, std::chrono::milliseconds(2))) {}
  [[nodiscard]] std::chrono::milliseconds tick() const { return tick_; }

  void arm(Node& node, std::chrono::milliseconds timeout) {
    disarm(node);
    const auto ticks = static_cast<std::size_t>((timeout + tick_ - std::chrono::milliseconds(1)) / tick_);
    slots_[(now_ + std::clamp<std::size_t>(ticks + 1, 1, kSlots - 1)) % kSlots].push_back(node);
  }
  static void disarm(Node& node) {
    if (node.is_linked()) node.unlink();
  }
  // One tick forward; calls `expire(Node&)` for every node that is due, after setting its flag.
  template <class F>
  void turn(F expire) {
    now_ = (now_ + 1) % kSlots;
    while (!slots_[now_].empty()) {
      Node& node = slots_[now_].front();
      node.unlink();
      node.timed_out = true;
      expire(node);
    }
  }

 private:
  const std::chrono::milliseconds tick_;
  std::size_t now_ = 0;
  std::array<boost::intrusive::list<Node, boost::intrusive::constant_time_size<false>>, kSlots> slots_;
};

}  // namespace pga::net
