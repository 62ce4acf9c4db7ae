// The JSON form: [{"Plan": {"Node Type": …, "Plans": […]}, "Planning Time": …}], and the same object alone from auto_explain.
#include <boost/json.hpp>

#include "sql/plan_internal.h"

namespace pga::sql {
namespace {

namespace json = boost::json;

std::string_view text_of(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string()) : std::string_view();
}

std::optional<double> number_of(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return found->to_number<double>();
}

std::int64_t blocks_of(const json::object& object, std::string_view key) {
  const double value = number_of(object, key).value_or(0);
  return value > 0 && value < 9e18 ? static_cast<std::int64_t>(value) : 0;
}

bool is_true(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_bool() && found->get_bool();
}

// As the text form prints it, so that both forms have one fingerprint.
std::string label_of(const json::object& node) {
  const auto word = [&](std::string_view key) {
    return is_plan_word(text_of(node, key)) ? std::string(text_of(node, key)) : std::string();
  };
  const std::string type = word("Node Type");
  const std::string strategy = word("Strategy");
  const std::string operation = word("Operation");
  std::string label = type;
  if (type == "Aggregate") {
    if (strategy == "Sorted") label = "GroupAggregate";
    if (strategy == "Hashed") label = "HashAggregate";
    if (strategy == "Mixed") label = "MixedAggregate";
    const std::string mode = word("Partial Mode");
    if (mode == "Partial" || mode == "Finalize") label = mode + " " + label;
  } else if (type == "SetOp") {
    label = (strategy == "Hashed" ? "HashSetOp " : "SetOp ") + word("Command");
  } else if (type == "ModifyTable" && !operation.empty()) {
    label = operation;
  } else if (type == "Foreign Scan" && !operation.empty() && operation != "Select") {
    label = "Foreign " + operation;
  } else if (const std::string join = word("Join Type"); !join.empty() && join != "Inner") {
    const std::string_view stem = type == "Hash Join" ? "Hash" : type == "Merge Join" ? "Merge" : std::string_view(type);
    label = std::string(stem) + " " + join + " Join";
  }
  if (text_of(node, "Scan Direction") == "Backward") label += " Backward";
  if (is_true(node, "Async Capable")) label = "Async " + label;
  if (is_true(node, "Parallel Aware")) label = "Parallel " + label;
  return label;
}

std::string joined(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  std::string out;
  if (value.is_array()) {
    for (const json::value& part : value.get_array()) {
      if (part.is_string()) out += (out.empty() ? "" : ", ") + std::string(part.get_string());
    }
  }
  return out;
}

PlanBuffers buffers_of(const json::object& node) {
  return {blocks_of(node, "Shared Hit Blocks"),     blocks_of(node, "Shared Read Blocks"),   blocks_of(node, "Shared Dirtied Blocks"),
          blocks_of(node, "Shared Written Blocks"), blocks_of(node, "Local Hit Blocks"),     blocks_of(node, "Local Read Blocks"),
          blocks_of(node, "Local Dirtied Blocks"),  blocks_of(node, "Local Written Blocks"), blocks_of(node, "Temp Read Blocks"),
          blocks_of(node, "Temp Written Blocks")};
}

Result<PlanNode> node_of(const json::object& object, std::size_t depth, std::size_t& nodes) {
  if (depth > kPlanDepthMax) return too_large("plan of more than " + std::to_string(kPlanDepthMax) + " levels");
  if (++nodes > kPlanNodesMax) return too_large("plan of more than " + std::to_string(kPlanNodesMax) + " nodes");
  PlanNode node;
  node.label = label_of(object);
  if (node.label.empty()) return corrupt("plan with a node without a type");
  for (const std::string_view key : {"Relation Name", "Function Name", "CTE Name", "Tuplestore Name", "Table Function Name"}) {
    if (node.relation.empty()) node.relation = plan_name(text_of(object, key));
  }
  node.schema = plan_name(text_of(object, "Schema"));
  node.alias = plan_name(text_of(object, "Alias"));
  node.index = plan_name(text_of(object, "Index Name"));
  if (text_of(object, "Parent Relationship") == "InitPlan" || text_of(object, "Parent Relationship") == "SubPlan")
    node.subplan = plan_name(text_of(object, "Subplan Name"));
  node.startup_cost = number_of(object, "Startup Cost").value_or(0);
  node.total_cost = number_of(object, "Total Cost").value_or(0);
  node.rows = number_of(object, "Plan Rows").value_or(0);
  node.width = number_of(object, "Plan Width").value_or(0);
  if (const auto loops = number_of(object, "Actual Loops")) {
    node.analyzed = true;
    node.loops = *loops;
    node.actual_rows = number_of(object, "Actual Rows").value_or(0);
    node.actual_ms = number_of(object, "Actual Total Time").value_or(0);  // absent with TIMING OFF
    // The text form prints none of zero.
    if (const PlanBuffers buffers = buffers_of(object); buffers != PlanBuffers{}) node.buffers = buffers;
  }
  for (const auto& [key, value] : object) {
    if (is_condition(key)) node.conditions.emplace_back(std::string(key), redact_condition(joined(value)));
  }
  if (const json::value* plans = object.if_contains("Plans"); plans != nullptr && plans->is_array()) {
    for (const json::value& child : plans->get_array()) {
      if (!child.is_object()) return corrupt("plan with a node that is no object");
      PGA_TRY(PlanNode made, node_of(child.get_object(), depth + 1, nodes));
      node.children.push_back(std::move(made));
    }
  }
  return node;
}

}  // namespace

Result<PrintedPlan> parse_plan_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 2 * kPlanDepthMax + 8;  // an object and an array for each level
  boost::system::error_code error;
  // What a hostile text can make of itself in memory is bounded by its own size, which has been checked.
  json::monotonic_resource memory;
  const json::value value = json::parse(text, error, &memory, options);
  if (error) return corrupt("plan that is no JSON: " + error.message());
  const json::value* printed = &value;
  if (printed->is_array() && !printed->get_array().empty()) printed = &printed->get_array()[0];
  const json::value* plan = printed->is_object() ? printed->get_object().if_contains("Plan") : nullptr;
  if (plan == nullptr || !plan->is_object()) return corrupt("JSON without a plan");
  const json::object& around = printed->get_object();
  PrintedPlan out;
  std::size_t nodes = 0;
  PGA_TRY(out.root, node_of(plan->get_object(), 1, nodes));
  out.query = std::string(text_of(around, "Query Text"));
  if (const json::value* id = around.if_contains("Query Identifier"); id != nullptr && id->is_int64()) out.query_id = id->get_int64();
  out.planning_ms = number_of(around, "Planning Time");
  out.execution_ms = number_of(around, "Execution Time");
  return out;
}

}  // namespace pga::sql
