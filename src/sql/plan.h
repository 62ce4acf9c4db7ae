// Plans of statements as PostgreSQL prints them, from EXPLAIN or auto_explain, in JSON or text form: made safe to leave the host, and given
// an identity, so that each is stored once and a statement that gets another plan is noticed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/text.h"

namespace pga::sql {

// What the whole plan read and wrote, in blocks. Printed with ANALYZE and BUFFERS only.
struct PlanBuffers {
  std::int64_t shared_hit = 0, shared_read = 0, shared_dirtied = 0, shared_written = 0;
  std::int64_t local_hit = 0, local_read = 0, local_dirtied = 0, local_written = 0;
  std::int64_t temp_read = 0, temp_written = 0;
  bool operator==(const PlanBuffers&) const = default;
};

// What one execution did.
struct PlanRun {
  double total_ms = 0;  // of the root; without the time before and after the executor
  double rows = 0;      // that the root returned
  std::optional<PlanBuffers> buffers;
  std::vector<double> self_ms;  // per node, parents before children: its time in all loops without that of its children
  std::optional<double> planning_ms;
  std::optional<double> execution_ms;
};

struct Plan {
  std::uint64_t fingerprint = 0;  // xxh3 over the tree: kinds of nodes, joins and aggregations, relations, indexes. Nothing of costs, rows,
                                  // constants, aliases, schemas, parallel workers; both forms of a plan have the same
  std::string redacted;           // compact JSON: node, relation, index, …, cost, rows, width, conditions without constants, plans
  std::size_t nodes = 0;
  double total_cost = 0;       // of the root, in the planner's units
  double rows = 0;             // that the planner expected
  std::optional<PlanRun> run;  // with ANALYZE
  std::optional<SqlText> query;
  std::optional<std::int64_t> query_id;
  std::optional<double> duration_ms;  // what auto_explain says in front of the plan
};

// An answer of EXPLAIN, or a message of auto_explain with its "duration: … ms  plan:". Fails with kCorrupt if it is no plan or was cut, and
// with kTooLarge beyond the limits; messages never repeat what was read.
Result<Plan> parse_plan(std::string_view text);

}  // namespace pga::sql
