#include "sql/plan.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "sql/plan_internal.h"
#include "sql/token_internal.h"

namespace pga::sql {
namespace {

constexpr std::array<std::string_view, 19> kConditions = {"Filter",
                                                          "Index Cond",
                                                          "Recheck Cond",
                                                          "Hash Cond",
                                                          "Merge Cond",
                                                          "Join Filter",
                                                          "One-Time Filter",
                                                          "TID Cond",
                                                          "Order By",
                                                          "Sort Key",
                                                          "Presorted Key",
                                                          "Group Key",
                                                          "Hash Key",
                                                          "Cache Key",
                                                          "Cache Mode",
                                                          "Conflict Resolution",
                                                          "Conflict Arbiter Indexes",
                                                          "Conflict Filter",
                                                          "Run Condition"};

// "CTE big" is CTE, "InitPlan 1 (returns $0)" is InitPlan: their numbers depend on the version.
std::string_view first_word(std::string_view text) { return text.substr(0, text.find(' ')); }

void hash_node(const PlanNode& node, std::string& out) {
  out += '(';
  for (const std::string_view part :
       {first_word(node.subplan), std::string_view(node.label), std::string_view(node.relation), std::string_view(node.index)}) {
    out += std::to_string(part.size()) + ":";
    out += part;
  }
  for (const PlanNode& child : node.children) hash_node(child, out);
  out += ')';
}

double total_ms(const PlanNode& node) { return node.actual_ms * node.loops; }

void add_self_times(const PlanNode& node, std::vector<double>& out) {
  double self = total_ms(node);
  for (const PlanNode& child : node.children) self -= total_ms(child);
  out.push_back(std::max(0.0, self));
  for (const PlanNode& child : node.children) add_self_times(child, out);
}

// A number with at most two decimals, as it is printed in plans.
boost::json::value number(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

std::string snake(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == ' ' || c == '-' ? '_' : lower(c);
  return out;
}

// Nodes in order until the room is used up; behind that only how many are missing.
boost::json::object to_json(const PlanNode& node, std::size_t& room, std::size_t& omitted) {
  boost::json::object out;
  out["node"] = node.label;
  for (const auto& [name, value] : {std::pair<const char*, const std::string&>{"relation", node.relation},
                                    {"schema", node.schema},
                                    {"alias", node.alias},
                                    {"index", node.index},
                                    {"subplan", node.subplan}}) {
    if (!value.empty()) out[name] = value;
  }
  out["cost"] = {number(node.startup_cost), number(node.total_cost)};
  out["rows"] = number(node.rows);
  out["width"] = number(node.width);
  for (const auto& [name, value] : node.conditions) out[snake(name)] = value;
  const std::size_t bytes = boost::json::serialize(out).size() + 12;  // "plans":[],
  if (bytes > room) {
    room = 0;
    return {};
  }
  room -= bytes;
  boost::json::array plans;
  for (const PlanNode& child : node.children) {
    boost::json::object made;
    if (room > 0) made = to_json(child, room, omitted);
    if (made.empty())
      ++omitted;
    else
      plans.emplace_back(std::move(made));
  }
  if (!plans.empty()) out["plans"] = std::move(plans);
  return out;
}

std::size_t count(const PlanNode& node) {
  std::size_t nodes = 1;
  for (const PlanNode& child : node.children) nodes += count(child);
  return nodes;
}

// "duration: 0.086 ms  plan:" in front of a plan.
std::optional<double> take_duration(std::string_view& text) {
  constexpr std::string_view kBefore = "duration: ";
  constexpr std::string_view kBehind = " ms  plan:";
  if (!text.starts_with(kBefore)) return std::nullopt;
  const std::size_t end = text.find(kBehind);
  if (end == std::string_view::npos || end > 40) return std::nullopt;
  const auto value = plan_number(text.substr(kBefore.size(), end - kBefore.size()));
  if (value) text.remove_prefix(end + kBehind.size());
  return value;
}

}  // namespace

bool is_condition(std::string_view name) { return std::find(kConditions.begin(), kConditions.end(), name) != kConditions.end(); }

std::string redact_condition(std::string_view text) { return scan_sql(text, kPlanConditionBytesMax).redacted; }

bool is_plan_word(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || (lower(c) >= 'a' && lower(c) <= 'z'); });
}

std::string plan_name(std::string_view text) {
  std::string name = is_utf8(text) ? std::string(text) : to_valid_utf8(text);
  if (name.size() <= kPlanNameBytesMax) return name;
  std::size_t cut = kPlanNameBytesMax;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xC0) == 0x80) --cut;
  name.resize(cut);
  return name;
}

std::optional<double> plan_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

Result<Plan> parse_plan(std::string_view text) {
  if (text.size() > kPlanBytesMax)
    return too_large("plan of " + std::to_string(text.size()) + " bytes exceeds the limit of " + std::to_string(kPlanBytesMax));
  Plan plan;
  plan.duration_ms = take_duration(text);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n' || text.front() == '\r' || text.front() == '\t'))
    text.remove_prefix(1);
  // In a log that is read line by line a tab stands before all lines but the first.
  std::string untabbed;
  if (const std::size_t tab = text.find("\n\t"); tab != std::string_view::npos) {
    untabbed = text.substr(0, tab);
    for (std::size_t at = tab; at < text.size(); ++at) {
      untabbed += text[at];
      if (text[at] == '\n' && at + 1 < text.size() && text[at + 1] == '\t') ++at;
    }
    text = untabbed;
  }
  const bool json = text.starts_with('{') || text.starts_with('[');
  PGA_TRY(const PrintedPlan printed, json ? parse_plan_json(text) : parse_plan_text(text));
  const PlanNode& root = printed.root;

  std::string tree;
  hash_node(root, tree);
  plan.fingerprint = XXH3_64bits(tree.data(), tree.size());
  plan.nodes = count(root);
  plan.total_cost = root.total_cost;
  plan.rows = root.rows;
  std::size_t room = kPlanTextBytesMax - 64;
  std::size_t omitted = 0;
  boost::json::object redacted = to_json(root, room, omitted);
  if (omitted > 0) redacted["omitted"] = omitted;  // subtrees
  plan.redacted = boost::json::serialize(redacted);
  if (!printed.query.empty()) plan.query = scan_sql(printed.query);
  plan.query_id = printed.query_id;
  if (root.analyzed) {
    PlanRun& run = plan.run.emplace();
    run.total_ms = total_ms(root);
    run.rows = root.actual_rows * root.loops;
    run.buffers = root.buffers;
    add_self_times(root, run.self_ms);
    run.planning_ms = printed.planning_ms;
    run.execution_ms = printed.execution_ms;
  }
  return plan;
}

}  // namespace pga::sql
