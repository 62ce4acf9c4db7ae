#include "sql/plan.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>

namespace pga::sql {
namespace {

struct Fixture {
  int major = 0;
  std::string query, source, format, text;
};

// What real servers printed: tests/lab/plan_fixtures.py.
std::vector<Fixture> fixtures() {
  std::vector<Fixture> out;
  for (int major = 12; major <= 18; ++major) {
    std::ifstream file(std::filesystem::path(PGA_SOURCE_DIR) / ("src/sql/testdata/plans-" + std::to_string(major) + ".jsonl"));
    for (std::string line; std::getline(file, line);) {
      const boost::json::value entry = boost::json::parse(line);
      const auto text = [&](const char* key) { return std::string(entry.at(key).as_string()); };
      out.push_back({major, text("query"), text("source"), text("format"), text("text")});
    }
  }
  return out;
}

TEST_CASE("both forms of a plan, with and without an execution, have the same fingerprint on every version") {
  std::map<std::pair<int, std::string>, std::set<std::uint64_t>> found;
  std::size_t plans = 0;
  for (const Fixture& fixture : fixtures()) {
    CAPTURE(fixture.major);
    CAPTURE(fixture.query);
    CAPTURE(fixture.source);
    CAPTURE(fixture.format);
    const auto plan = parse_plan(fixture.text);
    if (!plan) {
      CAPTURE(plan.error().message);
      CHECK(plan.has_value());
      continue;
    }
    found[{fixture.major, fixture.query}].insert(plan->fingerprint);
    CAPTURE(plan->redacted);
    CHECK(found[{fixture.major, fixture.query}].size() == 1);
    ++plans;
  }
  CHECK(plans == 7 * 52);
  std::set<std::uint64_t> of_18;
  for (const auto& [key, fingerprints] : found) {
    if (key.first == 18) of_18.insert(fingerprints.begin(), fingerprints.end());
  }
  CHECK(of_18.size() == 12);  // one for each query
}

TEST_CASE("no constant of a statement survives in its plan") {
  for (const Fixture& fixture : fixtures()) {
    CAPTURE(fixture.major);
    CAPTURE(fixture.text);
    const auto plan = parse_plan(fixture.text);
    REQUIRE(plan.has_value());
    const std::string all = plan->redacted + (plan->query ? plan->query->redacted : "");
    CAPTURE(all);
    for (const char* secret : {"canary", "second line", "70717273", "city 3"}) CHECK(all.find(secret) == std::string::npos);
    CHECK_NOTHROW(boost::json::parse(plan->redacted));
  }
}

TEST_CASE("what an execution did is read from both forms alike") {
  std::map<std::pair<int, std::string>, Plan> from_json;
  for (const Fixture& fixture : fixtures()) {
    CAPTURE(fixture.major);
    CAPTURE(fixture.query);
    CAPTURE(fixture.source);
    const auto plan = parse_plan(fixture.text);
    REQUIRE(plan.has_value());
    REQUIRE(plan->run.has_value() == (fixture.source != "explain"));
    CHECK(plan->total_cost > 0);
    CHECK(plan->nodes >= 1);
    if (!plan->run) continue;
    const PlanRun& run = *plan->run;
    CHECK(run.self_ms.size() == plan->nodes);
    CHECK(run.total_ms > 0);
    CHECK(std::accumulate(run.self_ms.begin(), run.self_ms.end(), 0.0) >= run.total_ms * 0.99);
    if (fixture.source == "auto_explain") {
      CHECK(plan->duration_ms.has_value());
      REQUIRE(plan->query.has_value());
      CHECK(!plan->query->truncated);
      continue;
    }
    CHECK(run.execution_ms.has_value());
    if (fixture.format == "json") {
      from_json[{fixture.major, fixture.query}] = *plan;
      continue;
    }
    const Plan& other = from_json.at({fixture.major, fixture.query});
    CHECK(run.rows == other.run->rows);
    CHECK(plan->nodes == other.nodes);
    CHECK(plan->total_cost == other.total_cost);
    REQUIRE(run.buffers.has_value() == other.run->buffers.has_value());
    if (run.buffers) CHECK((run.buffers->shared_hit > 0) == (other.run->buffers->shared_hit > 0));
    CHECK(plan->query_id == other.query_id);
  }
}

constexpr const char* kTextPlan =
    "Hash Left Join  (cost=1.50..9.00 rows=7 width=12) (actual time=0.010..2.000 rows=7 loops=1)\n"
    "  Hash Cond: (o.a = c.b)\n"
    "  Filter: ((c.name <> 'x\ny: (cost=1'::text) AND (o.a > 5))\n"
    "  Buffers: shared hit=3 read=1, temp written=9\n"
    "  ->  Parallel Seq Scan on shop.\"Order s\" o  (cost=0.00..5.00 rows=9 width=4) (actual time=0.000..0.500 rows=9 loops=2)\n"
    "  ->  Hash  (cost=1.00..1.00 rows=3 width=8) (never executed)\n"
    "        InitPlan 1 (returns $0)\n"
    "          ->  Index Only Scan Backward using c_pkey on c  (cost=0.00..1.00 rows=3 width=8) (never executed)\n"
    "Query Identifier: -42\n"
    "Planning Time: 0.250 ms\n"
    "Execution Time: 2.500 ms\n";

TEST_CASE("a text plan becomes a tree with costs, conditions and times") {
  const auto plan = parse_plan(kTextPlan);
  REQUIRE(plan.has_value());
  const std::string_view wanted =
      R"~({"node":"Hash Left Join","cost":[1.5E0,9],"rows":7,"width":12,"hash_cond":"(o.a = c.b)",)~"
      R"~("filter":"((c.name <> $?::text) AND (o.a > $?))","plans":[)~"
      R"~({"node":"Parallel Seq Scan","relation":"Order s","schema":"shop","alias":"o","cost":[0,5],"rows":9,"width":4},)~"
      R"~({"node":"Hash","cost":[1,1],"rows":3,"width":8,"plans":[)~"
      R"~({"node":"Index Only Scan Backward","relation":"c","alias":"c","index":"c_pkey","subplan":"InitPlan 1 (returns $0)",)~"
      R"~("cost":[0,1],"rows":3,"width":8}]}]})~";
  CHECK(plan->redacted == wanted);
  CHECK(plan->query_id == -42);
  REQUIRE(plan->run.has_value());
  CHECK(plan->run->self_ms == std::vector<double>{1, 1, 0, 0});
  CHECK(plan->run->buffers == PlanBuffers{3, 1, 0, 0, 0, 0, 0, 0, 0, 9});
  CHECK(plan->run->planning_ms == 0.25);
  CHECK(plan->run->execution_ms == 2.5);
}

TEST_CASE("a plan of a log is read with its tabs, its duration and a statement that looks like a plan") {
  std::string text =
      "duration: 12.500 ms  plan:\nQuery Text: SELECT 'a\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n', b\nFROM t\n"
      "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'it''s'::text)";
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; ++at) text.insert(at + 1, "\t");
  const auto plan = parse_plan(text);
  REQUIRE(plan.has_value());
  CHECK(plan->duration_ms == 12.5);
  CHECK(plan->query->redacted == "SELECT $?, b\nFROM t");
  const std::string_view wanted =
      R"~({"node":"Seq Scan","relation":"t","alias":"t","cost":[0,1],"rows":1,"width":4,"filter":"(a = $?::text)"})~";
  CHECK(plan->redacted == wanted);
}

TEST_CASE("the fingerprint is of the tree alone") {
  const auto fingerprint = [](std::string_view text) { return parse_plan(text)->fingerprint; };
  const auto base = fingerprint("Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 1)");
  CHECK(base == fingerprint("Seq Scan on public.t x  (cost=0.00..9.00 rows=5 width=8)\n  Filter: (a = 2)"));
  CHECK(base != fingerprint("Seq Scan on u  (cost=0.00..1.00 rows=1 width=4)"));
  CHECK(base != fingerprint("Parallel Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)"));
  CHECK(base != fingerprint("Index Scan using i on t  (cost=0.00..1.00 rows=1 width=4)"));
  const std::string two = "Append  (cost=0.00..1.00 rows=1 width=4)\n  ->  Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)\n";
  CHECK(fingerprint(two + "  ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4)") !=
        fingerprint(two + "        ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4)"));
}

TEST_CASE("what is no plan, or was cut, is refused without repeating it") {
  struct Case {
    const char* what;
    std::string in;
    const char* error;
  };
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += R"({"Node Type":"Limit","Plans":[)";
  const Case cases[] = {
      {"nothing", "", "text that is no plan"},
      {"a sentence", "secret", "text that is no plan"},
      {"half of the JSON", R"([{"Plan":{"Node Type":"Lim)", "plan that is no JSON: incomplete JSON"},
      {"other JSON", R"({"secret":1})", "JSON without a plan"},
      {"a node without a type", R"([{"Plan":{"Plans":[]}}])", "plan with a node without a type"},
      {"a type that is no word", R"([{"Plan":{"Node Type":"secret 42"}}])", "plan with a node without a type"},
      {"a child that is no object", R"([{"Plan":{"Node Type":"Limit","Plans":["secret"]}}])", "plan with a node that is no object"},
      {"too deep", R"([{"Plan":)" + deep, "plan that is no JSON: too deep"},
      {"too long", std::string(kPlanBytesMax + 1, ' '), "plan of 1048577 bytes exceeds the limit of 1048576"},
      {"an open quote", "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'secret", "plan that ends in an open quote"},
      {"a node without costs", "Limit  (cost=0.00..1.00 rows=1 width=4)\n  ->  secret", "plan with a node that cannot be read"},
      {"a child first", "  ->  Limit  (cost=0.00..1.00 rows=1 width=4)", "plan that does not begin with its root"},
      {"only a statement", "Query Text: secret", "text that is no plan"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto got = parse_plan(c.in);
    REQUIRE(!got);
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("of a plan that is too long to keep the first nodes stay and the rest is counted") {
  std::string text = "Append  (cost=0.00..1.00 rows=1 width=4)\n";
  for (int i = 0; i < 2000; ++i) text += "  ->  Seq Scan on a_table_of_many  (cost=0.00..1.00 rows=1 width=4)\n";
  const auto plan = parse_plan(text);
  REQUIRE(plan.has_value());
  CHECK(plan->nodes == 2001);
  CHECK(plan->redacted.size() <= kPlanTextBytesMax);
  const boost::json::value redacted = boost::json::parse(plan->redacted);
  CHECK(redacted.at("plans").as_array().size() + static_cast<std::size_t>(redacted.at("omitted").as_int64()) == 2000);
}

}  // namespace
}  // namespace pga::sql
