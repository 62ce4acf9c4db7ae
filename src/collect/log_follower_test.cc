#include "collect/log_follower.h"

#include <doctest/doctest.h>

#include "catalog/catalog.h"

namespace pga::collect {
namespace {

struct Rig {
  catalog::Catalog catalog = std::move(catalog::Catalog::load().value());
  const catalog::Source* plans = catalog.find("postgres.logged_plans");
  const catalog::Source* samples = catalog.find("postgres.plan_samples");
  LoggedPlans logged{plans, samples};
  LogFollower follower{logged};

  Rig() { follower.begin(LogFormat::kStderr, "%m [%p] %d ", 0); }

  static const CellColumn& column(const catalog::Source& source, const Reading& reading, const char* name) {
    return reading.cells.columns[static_cast<std::size_t>(source.find(name) - source.columns.data())];
  }
};

std::string logged_plan(const std::string& text) {
  return "2026-11-28 19:12:50.123 UTC [7] shop LOG:  duration: 12.500 ms  plan:\n\tQuery Text: " + text +
         "\n\tSeq Scan on t  (cost=0.00..1.50 rows=3 width=4)\n\t  Filter: (a = 'canary'::text)\n";
}

TEST_CASE("plans of auto_explain are taken from the log with database and time, other events are not") {
  Rig rig;
  rig.follower.feed("2026-11-28 19:12:49.000 UTC [7] shop LOG:  duration: 1.000 ms  statement: SELECT 'canary'\n");
  rig.follower.feed(logged_plan("SELECT *\n\t  FROM t WHERE a = 'canary'"));
  rig.follower.settle();
  const Reading plans = rig.logged.take(*rig.plans, 9);
  REQUIRE(plans.cells.rows == 1);
  CHECK(Rig::column(*rig.plans, plans, "datname").texts[0] == "shop");
  CHECK(Rig::column(*rig.plans, plans, "query").texts[0].find("a = $?") != std::string_view::npos);
  CHECK(Rig::column(*rig.plans, plans, "plan").texts[0].find("canary") == std::string_view::npos);
  const Reading samples = rig.logged.take(*rig.samples, 9);
  REQUIRE(samples.cells.rows == 1);
  CHECK(Rig::column(*rig.samples, samples, "logged_at").values[0] == 1'795'893'170'123'000);
  CHECK(samples.detail.empty());
}

TEST_CASE("a plan of which only a part is there is no plan") {
  Rig rig;
  rig.follower.feed(logged_plan("SELECT '" + std::string(40'000, 'x') + "'"));
  rig.follower.feed(logged_plan("SELECT 1"));
  rig.follower.feed("\t  More");  // and there the log ends
  rig.follower.cut();
  CHECK(rig.logged.take(*rig.plans, 9).cells.rows == 0);
  const Reading samples = rig.logged.take(*rig.samples, 9);
  CHECK(samples.cells.rows == 0);
  CHECK(samples.detail == "2 plans could not be read, the first: longer than 32 KiB");
}

}  // namespace
}  // namespace pga::collect
