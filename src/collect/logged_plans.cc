#include "collect/logged_plans.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "collect/row_writer.h"

namespace pga::collect {
namespace {

constexpr std::size_t kKnownMax = 20'000;  // beyond, everything is forgotten and sent again
constexpr std::size_t kPlansWaitingMax = 200;
constexpr double kNanosPerMilli = 1e6;

std::int64_t nanoseconds(double ms) { return std::llround(std::min(ms, 1e12) * kNanosPerMilli); }

// Milliseconds of each node with as many digits as tell them apart: "[1.2,0.04]".
std::string list_of(const std::vector<double>& values) {
  std::string out = "[";
  for (const double value : values) {
    std::string number = std::to_string(value);  // six decimals
    number.resize(number.size() - 3);
    if (out.size() + number.size() > 8'000) break;  // the first ones, parents before children
    out += (out.size() > 1 ? "," : "") + number;
  }
  return out + "]";
}

}  // namespace

LoggedPlans::LoggedPlans(const catalog::Source* plans, const catalog::Source* samples) : plans_(plans), samples_(samples) {}

void LoggedPlans::add(std::string_view database, std::int64_t logged_us, std::string_view message) {
  if (samples_ != nullptr && waiting_samples_.rows >= samples_->rows_max) {  // a flood: what is logged again is not worth the parsing
    ++dropped_;
    return;
  }
  auto plan = sql::parse_plan(message);
  if (!plan) {
    add_unreadable(plan.error().message);
    return;
  }
  if (samples_ != nullptr) add_sample(database, logged_us, *plan);
  if (plans_ == nullptr || waiting_plans_.rows >= kPlansWaitingMax) return;  // it is logged again
  if (known_.size() >= kKnownMax) known_.clear();
  if (known_.insert({plan->query ? plan->query->fingerprint : 0, plan->fingerprint}).second) add_plan(database, *plan);
}

void LoggedPlans::add_unreadable(std::string why) {
  if (unreadable_++ == 0) why_ = std::move(why);
}

void LoggedPlans::add_plan(std::string_view database, sql::Plan& plan) {
  RowWriter rows(*plans_, waiting_plans_);
  ++added_;
  rows.row();
  rows.set("fingerprint", plan.query ? static_cast<std::int64_t>(plan.query->fingerprint) : 0);
  rows.set("plan_fingerprint", static_cast<std::int64_t>(plan.fingerprint));
  rows.set_text("datname", to_valid_utf8(database));
  rows.set("queryid", plan.query_id.value_or(0));
  rows.set_text("query", plan.query ? std::move(plan.query->redacted) : "");
  rows.set_double("total_cost", plan.total_cost);
  rows.set_double("plan_rows", plan.rows);
  rows.set("nodes", static_cast<std::int64_t>(plan.nodes));
  rows.set_text("plan", std::move(plan.redacted));
}

void LoggedPlans::add_sample(std::string_view database, std::int64_t logged_us, const sql::Plan& plan) {
  RowWriter rows(*samples_, waiting_samples_);
  ++added_;
  rows.row();
  rows.set("fingerprint", plan.query ? static_cast<std::int64_t>(plan.query->fingerprint) : 0);
  rows.set("plan_fingerprint", static_cast<std::int64_t>(plan.fingerprint));
  rows.set_text("datname", to_valid_utf8(database));
  if (logged_us != 0) rows.set("logged_at", logged_us);
  if (plan.duration_ms) rows.set("duration", nanoseconds(*plan.duration_ms));
  rows.set_double("total_cost", plan.total_cost);
  rows.set_double("plan_rows", plan.rows);
  if (!plan.run) return;
  rows.set_double("rows", plan.run->rows);
  rows.set_text("node_times", list_of(plan.run->self_ms));
  if (!plan.run->buffers) return;
  rows.set("shared_blks_hit", plan.run->buffers->shared_hit);
  rows.set("shared_blks_read", plan.run->buffers->shared_read);
  rows.set("temp_blks_read", plan.run->buffers->temp_read);
  rows.set("temp_blks_written", plan.run->buffers->temp_written);
}

Reading LoggedPlans::take(const catalog::Source& source, std::int64_t now_us) {
  Reading reading;
  reading.started_us = now_us;
  Cells& waiting = &source == samples_ ? waiting_samples_ : waiting_plans_;
  reading.cells = std::exchange(waiting, Cells());
  reading.cells.columns.resize(source.columns.size());
  (&source == samples_ ? samples_taken_ : plans_taken_) = added_;
  if (&source != samples_) return reading;
  if (dropped_ > 0) {
    reading.outcome = wire::Outcome::kLimit;
    reading.detail = std::to_string(dropped_) + " executions beyond " + std::to_string(source.rows_max) + " were left out";
  }
  if (unreadable_ > 0)
    reading.detail += (dropped_ > 0 ? "; " : "") + std::to_string(unreadable_) + " plans could not be read, the first: " + why_;
  dropped_ = unreadable_ = 0;
  return reading;
}

}  // namespace pga::collect
