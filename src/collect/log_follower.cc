#include "collect/log_follower.h"

#include "base/check.h"
#include "collect/row_writer.h"
#include "logs/csvlog.h"
#include "logs/jsonlog.h"
#include "logs/limits.h"
#include "logs/stderrlog.h"

namespace pga::collect {
namespace {

constexpr std::string_view kSkipped = "skipped";  // bytes that were never read, because the log grew too fast
constexpr std::string_view kPlan = "statement_plan";
constexpr std::string_view kDropped = "dropped";  // events that were not looked at any more

std::size_t text_bytes(const logs::Finding& f) { return f.message.size() + f.detail.size() + f.context.size() + f.statement.size(); }

void fill(const logs::Finding& f, RowWriter& out) {
  const auto text = [&](const char* column, const std::string& value) {
    if (!value.empty()) out.set_text(column, value);
  };
  const auto number = [&](const char* column, const std::optional<std::int64_t>& value) {
    if (value) out.set(column, *value);
  };
  const auto field = [&](const char* column, const char* name) {
    const logs::Extracted* found = f.field(name);
    if (found != nullptr && found->kind == logs::Extracted::Kind::kInt) out.set(column, found->number);
  };
  out.row();
  out.set_text("class", std::string(f.name));
  out.set_text("severity", f.severity);
  out.set_text("sqlstate", f.sqlstate);
  out.set_text("datname", f.database);
  out.set_text("usename", f.user);
  out.set_text("application_name", f.application);
  out.set_text("backend_type", f.backend_type);
  if (f.time_us != 0) out.set("time", f.time_us);
  number("pid", f.pid);
  number("leader_pid", f.leader_pid);
  if (f.query_id.value_or(0) != 0) out.set("query_id", *f.query_id);
  text("client_addr", f.client);
  text("session", f.session);
  number("line", f.line);
  if (const logs::Extracted* relation = f.field("relation")) out.set_text("relation", relation->text);
  field("duration_ns", "duration_ns");
  field("wait_ns", "wait_ns");
  field("bytes", "bytes");
  text("message", f.message);
  text("detail", f.detail);
  text("context", f.context);
  text("statement", f.statement);
  if (f.statement_fingerprint != 0) out.set("statement_fingerprint", static_cast<std::int64_t>(f.statement_fingerprint));
  out.set("shape", static_cast<std::int64_t>(f.shape));
  text("fields", logs::fields_as_json(f.fields));
  if (f.cut_bytes != 0) out.set("cut_bytes", static_cast<std::int64_t>(f.cut_bytes));
}

}  // namespace

void LogFollower::begin(LogFormat format, const std::string& prefix, std::int64_t zone_offset_us) {
  if (parser_) parser_->finish();
  zone_offset_us_ = zone_offset_us;
  const auto sink = [this](logs::Event& event) { add(event); };
  switch (format) {
    case LogFormat::kCsv:
      parser_ = std::make_unique<logs::CsvParser>(sink);
      return;
    case LogFormat::kJson:
      parser_ = std::make_unique<logs::JsonParser>(sink);
      return;
    case LogFormat::kStderr:
    case LogFormat::kUnknown:
      parser_ = std::make_unique<logs::StderrParser>(prefix, sink);
      return;
  }
}

void LogFollower::feed(std::string_view bytes) {
  PGA_CHECK(parser_ != nullptr);
  parser_->feed(bytes);
}

void LogFollower::settle() {
  if (parser_) parser_->settle();
}

void LogFollower::cut() {
  if (parser_) parser_->finish();
}

void LogFollower::lost(std::uint64_t bytes) {
  Count& skipped = count(kSkipped, "UNKNOWN");
  ++skipped.events;
  skipped.cut_bytes += static_cast<std::int64_t>(bytes);
  ++dropped_;
}

LogFollower::Count& LogFollower::count(std::string_view name, const std::string& severity) {
  std::pair<std::string, std::string> key(name, severity);
  if (counts_.size() >= kCountsMax && !counts_.contains(key)) key = {std::string(kDropped), "UNKNOWN"};
  return counts_[key];
}

void LogFollower::add(const logs::Event& event) {
  const bool full = findings_.size() >= kRowsMax || text_bytes_ >= kTextBytesMax;
  if (full && event[logs::Field::kSeverity] == "LOG") {  // whatever it is, it is not looked at: reading must keep up
    Count& dropped = count(kDropped, "LOG");
    ++dropped.events;
    ++dropped.dropped;
    ++dropped_;
    return;
  }
  logs::Finding finding = logs::find(event, zone_offset_us_);
  Count& counted = count(finding.name, finding.severity);
  ++counted.events;
  counted.cut_bytes += static_cast<std::int64_t>(finding.cut_bytes);
  if (finding.name == kPlan) add_plan(event, finding);
  std::size_t& rows = rows_of_class_[finding.name];
  if (full || rows >= kRowsOfClassMax) {
    ++counted.dropped;
    ++dropped_;
    return;
  }
  ++rows;
  text_bytes_ += text_bytes(finding);
  findings_.push_back(std::move(finding));
  ++added_;
}

// The message as it was written. What a part of it says would be another plan.
void LogFollower::add_plan(const logs::Event& event, const logs::Finding& finding) {
  const std::string& message = event[logs::Field::kMessage];
  if (event.incomplete)
    plans_.add_unreadable("the log ended inside of it");
  else if (event.cut_bytes != 0 && message.size() >= logs::kTextBytesMax)
    plans_.add_unreadable("longer than " + std::to_string(logs::kTextBytesMax / kKiB) + " KiB");
  else
    plans_.add(finding.database, finding.time_us, message);
}

Reading LogFollower::take_events(const catalog::Source& source) {
  Reading reading;
  RowWriter out(source, reading.cells);
  for (const logs::Finding& finding : findings_) fill(finding, out);
  if (dropped_ != 0) {
    reading.outcome = wire::Outcome::kLimit;
    reading.detail = std::to_string(dropped_) + " more events, or stretches of the log, were left out and counted in postgres.log_counts";
  }
  std::vector<logs::Finding>().swap(findings_);
  rows_of_class_.clear();
  text_bytes_ = dropped_ = 0;
  return reading;
}

Reading LogFollower::counts(const catalog::Source& source) const {
  Reading reading;
  RowWriter out(source, reading.cells);
  for (const auto& [key, counted] : counts_) {
    out.row();
    out.set_text("class", key.first);
    out.set_text("severity", key.second);
    out.set("events", counted.events);
    out.set("dropped", counted.dropped);
    out.set("cut_bytes", counted.cut_bytes);
  }
  return reading;
}

}  // namespace pga::collect
