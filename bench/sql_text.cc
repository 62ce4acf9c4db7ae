// How fast are texts of statements redacted and identified, by what they are, and next to the least that can be done with them: a check of
// their UTF-8 and a copy? Every text of a server goes through it once, and those of sessions and logs each time.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/text.h"
#include "sql/text.h"

namespace {

using namespace pga;

std::string repeated(std::string_view piece, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += piece;
  return out;
}

std::string text_of(std::int64_t kind) {
  switch (kind) {
    case 0:
      return "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.state = $1 AND o.created > now() - "
             "$2::interval "
             "AND c.country IN ($3, $4, $5) ORDER BY o.created DESC LIMIT $6 /*application='shop',controller='orders',action='index'*/";
    case 1:
      return "SELECT id FROM t WHERE id IN (" + repeated("1234567, ", 100'000) + "1)";
    case 2:
      return "INSERT INTO t (a, b, c) VALUES " + repeated("(42, 'some text that is a value', NULL), ", 100'000) + "(1, 'x', NULL)";
    default:
      return "SELECT " + repeated("some_column_with_a_name, \"Quoted\", ", 100'000) + "a FROM t";
  }
}
const char* name_of(std::int64_t kind) {
  constexpr const char* kNames[] = {"statement of 300 B", "IN list of 100 kB", "VALUES of 100 kB", "names of 100 kB"};
  return kNames[kind];
}

void scan(benchmark::State& state) {
  const std::string text = text_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(sql::scan_sql(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetLabel(name_of(state.range(0)));
}
BENCHMARK(scan)->DenseRange(0, 3);

void check_and_copy(benchmark::State& state) {
  const std::string text = text_of(state.range(0));
  for (auto _ : state) {
    PGA_CHECK(is_utf8(text));
    benchmark::DoNotOptimize(std::string(text));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetLabel(name_of(state.range(0)));
}
BENCHMARK(check_and_copy)->DenseRange(0, 3);

}  // namespace

BENCHMARK_MAIN();
