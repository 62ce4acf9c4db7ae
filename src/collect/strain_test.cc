#include "collect/strain.h"

#include <doctest/doctest.h>

namespace pga::collect {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("what takes much longer than usual twice in a row is read half as often, and as often again when it does not") {
  struct Step {
    const char* what;
    milliseconds took;
    bool timed_out;
    std::uint32_t stretch;
  };
  const Step steps[] = {
      {"usual", milliseconds{20}, false, 1},
      {"usual", milliseconds{20}, false, 1},
      {"ten times, but no time at all", milliseconds{200}, false, 1},
      {"slow once is chance", milliseconds{900}, false, 1},
      {"usual", milliseconds{20}, false, 1},
      {"slow", milliseconds{3000}, false, 1},
      {"and again", milliseconds{9000}, false, 2},
      {"not in time", milliseconds{5000}, true, 4},
      {"not in time", milliseconds{5000}, true, 8},
      {"not in time", milliseconds{5000}, true, 16},
      {"at most", milliseconds{5000}, true, 16},
      {"usual", milliseconds{20}, false, 8},
      {"usual", milliseconds{20}, false, 4},
      {"usual", milliseconds{20}, false, 2},
      {"usual", milliseconds{20}, false, 1},
  };
  Strain strain;
  for (const Step& step : steps) {
    CAPTURE(step.what);
    const std::uint32_t before = strain.stretch();
    CHECK(strain.observe(step.took, step.timed_out) == (before != step.stretch));
    CHECK(strain.stretch() == step.stretch);
    CHECK(strain.why().empty() == (step.stretch == 1));
  }
}

TEST_CASE("what stays slow becomes usual") {
  Strain strain;
  strain.observe(milliseconds{10}, false);
  std::uint32_t most = 1;
  for (int i = 0; i < 60; ++i) {
    strain.observe(seconds{2}, false);
    most = std::max(most, strain.stretch());
  }
  CHECK(most > 1);
  CHECK(strain.stretch() == 1);
}

TEST_CASE("nothing is stretched beyond an hour, and what is read more rarely stays as it is") {
  Strain strain;
  for (int i = 0; i < 10; ++i) strain.observe(seconds{5}, true);
  CHECK(strain.stretched(seconds{60}) == seconds{960});
  CHECK(strain.stretched(seconds{600}) == hours{1});
  CHECK(strain.stretched(hours{6}) == hours{6});
  CHECK(Strain().stretched(seconds{60}) == seconds{60});
  CHECK(Strain().stretched(seconds{60}, 4) == seconds{240});
  CHECK(strain.why() == "it did not end in time, after 5.00 s");
}

}  // namespace
}  // namespace pga::collect
