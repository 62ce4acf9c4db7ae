#include "collect/logged_plans.h"

#include <doctest/doctest.h>

#include "catalog/catalog.h"

namespace pga::collect {
namespace {

constexpr const char* kMessage =
    "duration: 12.500 ms  plan:\nQuery Text: SELECT * FROM t WHERE a = 'canary'\n"
    "Seq Scan on t  (cost=0.00..1.50 rows=3 width=4) (actual time=0.100..2.000 rows=7 loops=1)\n  Filter: (a = 'canary'::text)\n"
    "  Buffers: shared hit=3 read=1";

struct Rig {
  catalog::Catalog catalog = std::move(catalog::Catalog::load().value());
  const catalog::Source* plans = catalog.find("postgres.logged_plans");
  const catalog::Source* samples = catalog.find("postgres.plan_samples");
  LoggedPlans logged{plans, samples};

  static std::size_t at(const catalog::Source& source, const char* name) {
    return static_cast<std::size_t>(source.find(name) - source.columns.data());
  }
};

TEST_CASE("a plan is sent once and every logged execution of it") {
  Rig rig;
  rig.logged.add("shop", 5, kMessage);
  rig.logged.add("shop", 6, kMessage);
  const Reading plans = rig.logged.take(*rig.plans, 9);
  REQUIRE(plans.cells.rows == 1);
  CHECK(plans.cells.columns[Rig::at(*rig.plans, "query")].texts[0] == "SELECT * FROM t WHERE a = $?");
  CHECK(plans.cells.columns[Rig::at(*rig.plans, "plan")].texts[0].find("canary") == std::string_view::npos);
  const Reading samples = rig.logged.take(*rig.samples, 9);
  REQUIRE(samples.cells.rows == 2);
  CHECK(samples.outcome == wire::Outcome::kComplete);
  CHECK(samples.cells.columns[Rig::at(*rig.samples, "logged_at")].values == std::vector<std::int64_t>{5, 6});
  CHECK(samples.cells.columns[Rig::at(*rig.samples, "duration")].values[0] == 12'500'000);
  CHECK(samples.cells.columns[Rig::at(*rig.samples, "shared_blks_read")].values[0] == 1);
  CHECK(samples.cells.columns[Rig::at(*rig.samples, "node_times")].texts[0] == "[2.000]");

  rig.logged.add("shop", 7, kMessage);
  CHECK(rig.logged.take(*rig.plans, 9).cells.rows == 0);
  CHECK(rig.logged.take(*rig.samples, 9).cells.rows == 1);
  CHECK(rig.logged.take(*rig.samples, 9).cells.rows == 0);

  rig.logged.forget();
  rig.logged.add("shop", 8, kMessage);
  CHECK(rig.logged.take(*rig.plans, 9).cells.rows == 1);
}

TEST_CASE("what cannot be read and what exceeds the limit is counted once and never repeated") {
  Rig rig;
  rig.logged.add("shop", 1, "duration: 1.0 ms  plan:\n{\"Query Text\": \"secret");
  for (std::size_t i = 0; i < rig.samples->rows_max + 3; ++i) rig.logged.add("shop", 2, kMessage);
  const Reading samples = rig.logged.take(*rig.samples, 9);
  CHECK(samples.outcome == wire::Outcome::kLimit);
  CHECK(samples.cells.rows == rig.samples->rows_max);
  CHECK(samples.detail ==
        "3 executions beyond 500 were left out; 1 plans could not be read, the first: plan that is no JSON: incomplete JSON");
  CHECK(rig.logged.take(*rig.samples, 9).detail.empty());
}

}  // namespace
}  // namespace pga::collect
