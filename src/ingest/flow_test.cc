#include "ingest/flow.h"

#include <doctest/doctest.h>

#include <vector>

namespace pga::ingest {
namespace {

directory::Collector collector(std::uint32_t id, std::uint32_t tenant = 1) {
  directory::Collector c;
  c.id = {id};
  c.tenant = {tenant};
  return c;
}

TEST_CASE("a collector that has too many frames under way waits, and the others do not") {
  FakeClock clock;
  Flow flow({.frames_at_once_max = 2}, clock);
  std::vector<Flow::Admission> held;
  for (int i = 0; i < 2; ++i) held.push_back(flow.admit(collector(1), 100));
  const auto third = flow.admit(collector(1), 100);
  CHECK(third.lease == nullptr);
  CHECK(third.wait == std::chrono::seconds{1});
  CHECK(flow.admit(collector(2), 100).lease != nullptr);
  held.pop_back();
  CHECK(flow.admit(collector(1), 100).lease != nullptr);
  CHECK(flow.refused() == 1);
}

TEST_CASE("bytes flow at their rate after a burst, and a frame larger than what is left is paid for later") {
  FakeClock clock;
  Flow flow({.bytes_burst = 1'000, .bytes_per_second = 100}, clock);
  CHECK(flow.admit(collector(1), 1'500).lease != nullptr);
  const auto refused = flow.admit(collector(1), 1);
  CHECK(refused.lease == nullptr);
  CHECK(refused.wait == std::chrono::seconds{6});
  clock.advance(refused.wait);
  CHECK(flow.admit(collector(1), 1).lease != nullptr);
}

TEST_CASE("a tenant's frames under way are bounded together") {
  FakeClock clock;
  Flow flow({.tenant_bytes_at_once_max = 1'000}, clock);
  const auto first = flow.admit(collector(1, 7), 600);
  CHECK(first.lease != nullptr);
  CHECK(flow.admit(collector(2, 7), 600).lease == nullptr);
  CHECK(flow.admit(collector(3, 8), 600).lease != nullptr);
}

TEST_CASE("collectors that hold nothing are forgotten, those that do are not") {
  FakeClock clock;
  Flow flow({.frames_at_once_max = 1, .collectors_max = 2}, clock);
  const auto held = flow.admit(collector(1), 1);
  for (std::uint32_t id = 2; id < 100; ++id) CHECK(flow.admit(collector(id), 0).lease != nullptr);
  CHECK(flow.admit(collector(1), 1).lease == nullptr);
}

}  // namespace
}  // namespace pga::ingest
