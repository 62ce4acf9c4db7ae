// A plan as a tree, whatever form it was printed in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/plan.h"

namespace pga::sql {

struct PlanNode {
  std::string label;     // as the text form prints it: "Hash Left Join", "Partial HashAggregate", "Index Scan Backward"
  std::string relation;  // table, function or common table expression
  std::string schema;
  std::string alias;
  std::string index;
  std::string subplan;  // "InitPlan 1", "SubPlan 2", "CTE big"; empty: an ordinary child
  double startup_cost = 0, total_cost = 0, rows = 0, width = 0;
  bool analyzed = false;
  double actual_ms = 0, actual_rows = 0, loops = 0;  // the first two per loop
  std::optional<PlanBuffers> buffers;
  std::vector<std::pair<std::string, std::string>> conditions;  // name as the text form prints it; redacted
  std::vector<PlanNode> children;
};

// What stands around the tree.
struct PrintedPlan {
  PlanNode root;
  std::string query;
  std::optional<std::int64_t> query_id;
  std::optional<double> planning_ms, execution_ms;
};

Result<PrintedPlan> parse_plan_json(std::string_view text);
Result<PrintedPlan> parse_plan_text(std::string_view text);

// True for what a node says of its conditions and orders; everything else that it says is dropped.
bool is_condition(std::string_view name);
std::string redact_condition(std::string_view text);
// A kind of node or the like: words of letters, or nothing.
bool is_plan_word(std::string_view text);
std::string plan_name(std::string_view text);  // cut to the limit

// A number that is printed in a plan; nothing if it is none.
std::optional<double> plan_number(std::string_view text);

}  // namespace pga::sql
