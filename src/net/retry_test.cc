#include "net/retry.h"

#include <doctest/doctest.h>

namespace pga::net {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a pause stays under the doubling bound and its cap") {
  SeededRandom random(7);
  Backoff backoff({.first = 1'000ms, .cap = 60'000ms}, random);
  for (const auto bound : {1'000ms, 2'000ms, 4'000ms, 8'000ms, 16'000ms, 32'000ms, 60'000ms, 60'000ms}) {
    const auto pause = backoff.next();
    CHECK(pause >= 0ms);
    CHECK(pause < bound);
  }
  CHECK(backoff.failures() == 8);
  backoff.succeeded();
  CHECK(backoff.next() < 1'000ms);
}

TEST_CASE("a pause is at least what the peer asked for, and never more than five minutes for that") {
  SeededRandom random(7);
  Backoff backoff({}, random);
  CHECK(backoff.next(20s) == 20'000ms);
  CHECK(backoff.next(24h) == 300'000ms);
  CHECK(backoff.next(-5s) < 4'000ms);
}

TEST_CASE("pauses are spread over the whole range, so that collectors do not come back together") {
  SeededRandom random(11);
  int low = 0;
  for (int i = 0; i < 1'000; ++i) {
    Backoff backoff({.first = 1'000ms}, random);
    if (backoff.next() < 500ms) ++low;
  }
  CHECK(low > 400);
  CHECK(low < 600);
}

}  // namespace
}  // namespace pga::net
