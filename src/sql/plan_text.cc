// The text form. Every node is a line "->  Label on relation alias  (cost=… rows=… width=…) (actual …)", indented below its parent; what it
// says of itself follows in lines "Name: value". A constant or a name may have line breaks, so lines are put together by their quotes
// first.
#include <algorithm>

#include "sql/plan_internal.h"
#include "sql/token_internal.h"

namespace pga::sql {
namespace {

constexpr std::size_t kJoinsMax = 200;  // lines of one constant

bool is_open(std::string_view text) {
  Scanner scanner(text);
  Token token{};
  std::string_view piece;
  while (scanner.next(token, piece)) {
  }
  return scanner.unterminated();
}

// Takes lines of a text one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  [[nodiscard]] bool done() const { return text_.empty(); }
  // The next line with those behind it that belong to an open quote in it.
  Result<std::string_view> take() {
    std::size_t end = std::min(text_.find('\n'), text_.size());
    for (std::size_t joins = 0; is_open(text_.substr(0, end)); ++joins) {
      if (end == text_.size()) return corrupt("plan that ends in an open quote");
      if (joins == kJoinsMax || end > kPlanLineBytesMax) return too_large("plan with a constant of too many lines");
      end = std::min(text_.find('\n', end + 1), text_.size());
    }
    return drop(end);
  }
  // The next line as it is.
  std::string_view take_raw() { return drop(std::min(text_.find('\n'), text_.size())); }
  [[nodiscard]] std::string_view peek_raw() const { return text_.substr(0, text_.find('\n')); }

 private:
  std::string_view drop(std::size_t end) {
    const std::string_view line = text_.substr(0, end);
    text_.remove_prefix(std::min(text_.size(), end + 1));
    return line;
  }
  std::string_view text_;
};

// "name=12.5" at the front of what follows `key`; nothing if the key is not there.
std::optional<double> after(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + key.size());
  std::size_t end = 0;
  while (end < line.size() && ((line[end] >= '0' && line[end] <= '9') || line[end] == '.')) {
    if (line.substr(end).starts_with("..")) break;
    ++end;
  }
  return plan_number(line.substr(0, end));
}

// A name, with or without quotes, at the front of `text`; without its quotes.
std::string take_name(std::string_view& text) {
  std::string name;
  if (text.starts_with('"')) {
    std::size_t at = 1;
    for (; at < text.size(); ++at) {
      if (text[at] == '"' && (at + 1 == text.size() || text[at + 1] != '"')) break;
      if (text[at] == '"') ++at;
      name += text[at];
    }
    text.remove_prefix(std::min(text.size(), at + 1));
    return plan_name(name);
  }
  const std::size_t end = std::min(text.find_first_of(" ."), text.size());
  name = plan_name(text.substr(0, end));
  text.remove_prefix(end);
  return name;
}

// "Index Scan using orders_pkey on public.orders o" and its relatives.
bool read_label(std::string_view text, PlanNode& node) {
  const auto trim = [&] {
    while (text.starts_with(' ')) text.remove_prefix(1);
  };
  const std::size_t stop = std::min({text.find(" using "), text.find(" on "), text.find(" ("), text.size()});
  node.label = std::string(text.substr(0, stop));
  if (!is_plan_word(node.label)) return false;
  text.remove_prefix(stop);
  if (text.starts_with(" (")) return true;  // Custom Scan (Name)
  if (text.starts_with(" using ")) {
    text.remove_prefix(7);
    node.index = take_name(text);
  }
  trim();
  if (!text.starts_with("on ")) return true;
  text.remove_prefix(3);
  if (node.label.ends_with("Bitmap Index Scan")) {
    node.index = take_name(text);
    return true;
  }
  std::string name = take_name(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    node.schema = std::move(name);
    name = take_name(text);
  }
  trim();
  node.alias = text.empty() ? name : take_name(text);
  // These have no relation, only an alias.
  if (!node.label.ends_with("Subquery Scan") && !node.label.ends_with("Values Scan")) node.relation = std::move(name);
  return true;
}

// False if the line is no node.
bool read_node(std::string_view line, PlanNode& node) {
  const std::size_t cost = line.find("  (cost=");
  if (cost == std::string_view::npos || !read_label(line.substr(0, cost), node)) return false;
  const std::string_view numbers = line.substr(cost);
  const std::size_t estimate_end = std::min(numbers.find(')'), numbers.size());
  const std::string_view estimate = numbers.substr(0, estimate_end);
  const auto startup = after(estimate, "(cost=");
  const auto total = after(estimate, "..");
  const auto rows = after(estimate, " rows=");
  const auto width = after(estimate, " width=");
  if (!startup || !total || !rows || !width) return false;
  node.startup_cost = *startup;
  node.total_cost = *total;
  node.rows = *rows;
  node.width = *width;
  const std::string_view actual = numbers.substr(estimate_end);
  if (const auto loops = after(actual, " loops=")) {
    node.analyzed = true;
    node.loops = *loops;
    node.actual_rows = after(actual, " rows=").value_or(after(actual, "(actual rows=").value_or(0));
    node.actual_ms = after(actual, "..").value_or(0);
  } else {
    node.analyzed = actual.find("(never executed)") != std::string_view::npos;
  }
  return true;
}

// "shared hit=3 read=1, temp read=2 written=2"
PlanBuffers read_buffers(std::string_view text) {
  PlanBuffers out;
  const auto blocks = [](std::string_view part, std::string_view key) {
    const double value = after(part, key).value_or(0);
    return value < 9e18 ? static_cast<std::int64_t>(value) : 0;
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(", "), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 2));
    if (part.starts_with("shared")) {
      out.shared_hit = blocks(part, " hit=");
      out.shared_read = blocks(part, " read=");
      out.shared_dirtied = blocks(part, " dirtied=");
      out.shared_written = blocks(part, " written=");
    } else if (part.starts_with("local")) {
      out.local_hit = blocks(part, " hit=");
      out.local_read = blocks(part, " read=");
      out.local_dirtied = blocks(part, " dirtied=");
      out.local_written = blocks(part, " written=");
    } else if (part.starts_with("temp")) {
      out.temp_read = blocks(part, " read=");
      out.temp_written = blocks(part, " written=");
    }
  }
  return out;
}

bool is_root(std::string_view line) {
  PlanNode ignored;
  return !line.starts_with(' ') && read_node(line, ignored);
}

// Nodes under way, the root first; closing one hands it to its parent.
class Tree {
 public:
  // Fails with kTooLarge beyond the limits. `column`: of the arrow.
  Status open(PlanNode node, std::size_t column) {
    close_to(column);
    if (path_.size() >= kPlanDepthMax) return too_large("plan of more than " + std::to_string(kPlanDepthMax) + " levels");
    if (++nodes_ > kPlanNodesMax) return too_large("plan of more than " + std::to_string(kPlanNodesMax) + " nodes");
    if (nodes_ > 1 && path_.empty()) return corrupt("plan with two roots");
    path_.push_back({std::move(node), column});
    return {};
  }
  // Closes what stands at this column or behind it.
  void close_to(std::size_t column) {
    while (path_.size() > 1 && path_.back().column >= column) {
      PlanNode node = std::move(path_.back().node);
      path_.pop_back();
      path_.back().node.children.push_back(std::move(node));
    }
  }
  PlanNode* current() { return path_.empty() ? nullptr : &path_.back().node; }
  PlanNode close() {
    close_to(1);
    return std::move(path_.front().node);
  }
  [[nodiscard]] bool empty() const { return path_.empty(); }

 private:
  struct Open {
    PlanNode node;
    std::size_t column = 0;  // 0: the root
  };
  std::vector<Open> path_;
  std::size_t nodes_ = 0;
};

void read_property(std::string_view line, PlanNode& node) {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = line.substr(colon + 2);
  if (name == "Buffers" && node.analyzed) node.buffers = read_buffers(value);
  if (is_condition(name)) node.conditions.emplace_back(std::string(name), redact_condition(value));
}

void read_summary(std::string_view line, PrintedPlan& plan) {
  if (line.starts_with("Planning Time: ")) plan.planning_ms = after(line, "Time: ");
  if (line.starts_with("Execution Time: ")) plan.execution_ms = after(line, "Time: ");
  if (line.starts_with("Query Identifier: ")) {
    std::string_view number = line.substr(18);
    const bool negative = number.starts_with('-');
    if (negative) number.remove_prefix(1);
    std::uint64_t id = 0;
    for (const char c : number) {
      if (c < '0' || c > '9') return;
      id = id * 10 + static_cast<std::uint64_t>(c - '0');
    }
    plan.query_id = static_cast<std::int64_t>(negative ? 0 - id : id);
  }
}

// The statement in front of the plan, which may look like anything: up to the first line behind a closed quote that is a root.
Status read_query(Lines& lines, PrintedPlan& plan) {
  std::size_t looks = 0;
  std::string query(lines.take_raw().substr(std::string_view("Query Text: ").size()));
  while (!lines.done()) {
    if (lines.peek_raw().starts_with("Query Parameters: ") || is_root(lines.peek_raw())) {
      if (!is_open(query)) break;
      if (++looks > kJoinsMax) return too_large("plan of a statement with too many lines that look like plans");
    }
    query += "\n";
    query += lines.take_raw();
  }
  plan.query = std::move(query);
  return {};
}

}  // namespace

Result<PrintedPlan> parse_plan_text(std::string_view text) {
  PrintedPlan out;
  Lines lines(text);
  if (text.starts_with("Query Text: ")) PGA_TRY_STATUS(read_query(lines, out));
  Tree tree;
  std::string subplan;  // of the next node
  bool in_tree = true;
  while (!lines.done()) {
    PGA_TRY(const std::string_view whole, lines.take());
    const std::size_t indent = std::min(whole.find_first_not_of(' '), whole.size());
    std::string_view line = whole.substr(indent);
    const bool arrow = line.starts_with("->  ");
    if (arrow) line.remove_prefix(4);
    PlanNode node;
    if (in_tree && (arrow || tree.empty()) && read_node(line, node)) {
      if (arrow == tree.empty()) return corrupt("plan that does not begin with its root");
      node.subplan = std::move(subplan);
      subplan.clear();
      PGA_TRY_STATUS(tree.open(std::move(node), arrow ? indent + 1 : 0));
    } else if (arrow) {
      return corrupt("plan with a node that cannot be read");
    } else if (tree.empty()) {
      if (!line.starts_with("Query Parameters: ")) return corrupt("text that is no plan");
    } else if (indent == 0) {
      in_tree = false;  // what follows is about the whole, also its indented lines
      read_summary(line, out);
    } else if (in_tree && (line.starts_with("InitPlan ") || line.starts_with("SubPlan ") || line.starts_with("CTE ")) &&
               line.find(": ") == line.npos) {
      tree.close_to(indent + 1);  // it stands where children of its parent do
      subplan = plan_name(line);
    } else if (in_tree) {
      read_property(line, *tree.current());
    }
  }
  if (tree.empty()) return corrupt("text that is no plan");
  out.root = tree.close();
  return out;
}

}  // namespace pga::sql
