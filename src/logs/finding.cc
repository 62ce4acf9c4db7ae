#include "logs/finding.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "logs/classes.h"
#include "logs/limits.h"
#include "sql/text.h"

namespace pga::logs {
namespace {

constexpr std::string_view kRedacted = "$?";

std::string_view first_line(std::string_view text) { return text.substr(0, std::min(text.find('\n'), text.size())); }

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string bounded(std::string text, std::size_t bytes_max) {
  text = to_valid_utf8(text);
  if (text.size() <= bytes_max) return text;
  std::size_t cut = bytes_max;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  text.resize(cut);
  return text + "…";
}

// Seconds since 1970 of %n.
std::int64_t epoch_us(std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && end == text.data() + text.size() && seconds > 0 && seconds < 1e11 ? std::llround(seconds * 1e6) : 0;
}

// The text without what differs from one time to the next.
std::uint64_t shape_of(std::string_view message) {
  std::string shape;
  char quote = 0;
  for (const char c : first_line(message)) {
    if (quote != 0) {
      if (c == quote) quote = 0;
      continue;
    }
    if (c == '"' || c == '\'') {
      quote = c;
      shape += c;
    } else if (c >= '0' && c <= '9') {
      if (shape.empty() || shape.back() != '0') shape += '0';
    } else {
      shape += c;
    }
  }
  return XXH3_64bits(shape.data(), shape.size());
}

struct Lines {
  std::string redacted;
  bool any = false;  // at least one line was known
};

// Each line by the patterns; what none of them says becomes "$?". A statement may have more lines than its first.
Lines redact_lines(std::string_view text, std::span<const std::string_view> patterns, Finding& out) {
  Lines result;
  std::string_view rest = text;
  std::size_t count = 0;
  bool masked = false;  // the line before was not known: one "$?" stands for all that follow each other
  const auto known = [&](std::string_view line) -> std::optional<Matched> {
    for (const std::string_view pattern : patterns) {
      if (auto matched = match_template(pattern, line)) return matched;
    }
    return std::nullopt;
  };
  while (!rest.empty() && count < kContextLinesMax * 3) {
    std::string_view line = first_line(rest);
    const bool statement = line.starts_with("Process ") && line.find(": ") != std::string_view::npos;
    const bool quoted =
        line.starts_with("SQL statement \"") || line.starts_with("SQL expression \"") || line.starts_with("PL/pgSQL assignment \"");
    const bool whole =
        line.starts_with("Failed process was running: ") || line.starts_with("Failing row contains (") || line.starts_with("Key (");
    while (line.size() < rest.size() &&
           (whole || (quoted && !line.ends_with('"')) || (statement && !rest.substr(line.size() + 1).starts_with("Process ")))) {
      line = rest.substr(0, line.size() + 1 + first_line(rest.substr(line.size() + 1)).size());
    }
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++count;
    auto matched = known(line);
    if (!matched && masked) continue;
    if (!result.redacted.empty()) result.redacted += '\n';
    result.redacted += matched ? matched->redacted : std::string(kRedacted);
    masked = !matched;
    if (!matched) continue;
    result.any = true;
    for (Extracted& field : matched->fields) {
      if (out.field(field.name) == nullptr) out.fields.push_back(std::move(field));
    }
    if (out.statement.empty() && !matched->statement.empty() && line.starts_with("Failed process"))
      out.statement = std::move(matched->statement);
  }
  return result;
}

// Names in quotes may be values that somebody put into the wrong quotes; where the server did not know a name, they go too.
std::string without_quoted_names(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = std::min(text.find('"', at), text.size());
    out += text.substr(at, open - at);
    if (open == text.size()) break;
    out += kRedacted;
    const std::size_t close = text.find('"', open + 1);
    if (close == std::string_view::npos) break;
    at = close + 1;
  }
  return out;
}

void set_statement(std::string_view statement, Finding& out) {
  if (statement.empty()) return;
  sql::SqlText text = sql::scan_sql(statement, kStatementBytesMax);
  out.statement_fingerprint = text.fingerprint;
  if (out.name == "syntax_error") {
    out.statement.clear();  // no grammar says what is a value in it
  } else if (out.name == "undefined_column" || out.name == "ambiguous_column" || out.name == "invalid_statement") {
    out.statement = without_quoted_names(text.redacted);
  } else {
    out.statement = std::move(text.redacted);
  }
}

// auto_explain: the statement is all that we take of it; the plan has its own constants.
std::string_view plan_statement(std::string_view message) {
  constexpr std::string_view kLabel = "Query Text: ";
  const std::size_t label = message.find(kLabel);
  if (label == std::string_view::npos) return {};
  const std::size_t begin = label + kLabel.size();
  const std::size_t plan = message.find("  (cost=", begin);
  if (plan == std::string_view::npos) return {};
  const std::size_t end = message.rfind('\n', plan);
  return end == std::string_view::npos || end < begin ? std::string_view() : message.substr(begin, end - begin);
}

// A message that the server has for this class, or nothing.
std::optional<Matched> say(std::string_view message, std::string_view sqlstate, std::string_view& name) {
  const std::string_view head = first_line(message);
  for (const Saying& saying : sayings()) {
    if (!sqlstate.empty() && !sqlstate.starts_with(saying.sqlstate)) continue;
    const bool rest_too =
        saying.pattern.ends_with("{sql:statement}") || saying.pattern.ends_with("{*}") || saying.pattern.ends_with("\"{*}\"");
    if (auto matched = match_template(saying.pattern, rest_too ? message : head)) {
      name = saying.name;
      return matched;
    }
  }
  return std::nullopt;
}

std::string name_of(const Event& event, Field field) { return bounded(event[field], kNameBytesMax); }

}  // namespace

const Extracted* Finding::field(std::string_view wanted) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Extracted& f) { return f.name == wanted; });
  return found == fields.end() ? nullptr : &*found;
}

Finding find(const Event& event, std::int64_t zone_offset_us) {
  Finding out;
  out.cut_bytes = event.cut_bytes;
  const std::string& message = event[Field::kMessage];
  LogTime time;
  if (parse_log_time(event[Field::kTime], time))
    out.time_us = time.us - (time.zone_known ? 0 : zone_offset_us);
  else
    out.time_us = epoch_us(event[Field::kTime]);
  if (event.unparsed) {
    out.name = kUnparsedClass;
    out.severity = "UNKNOWN";
    out.shape = shape_of(message);
    return out;
  }
  out.severity = name_of(event, Field::kSeverity);
  if (out.severity.starts_with("DEBUG")) out.severity = "DEBUG";
  out.sqlstate = event[Field::kSqlstate].size() == 5 ? to_valid_utf8(event[Field::kSqlstate]) : "";
  out.user = name_of(event, Field::kUser);
  out.database = name_of(event, Field::kDatabase);
  out.application = name_of(event, Field::kApplication);
  out.backend_type = name_of(event, Field::kBackendType);
  out.client = name_of(event, Field::kRemote);
  out.session = name_of(event, Field::kSession);
  out.client.resize(std::min({out.client.size(), out.client.find('('), out.client[0] == '[' ? out.client.size() : out.client.rfind(':')}));
  out.pid = number(event[Field::kPid]);
  out.leader_pid = number(event[Field::kLeaderPid]);
  out.query_id = number(event[Field::kQueryId]);
  out.line = number(event[Field::kLine]);
  out.shape = shape_of(message);

  auto matched = say(message, out.sqlstate, out.name);
  const std::string& statement = event[Field::kStatement];
  std::string own_statement;
  if (matched) {
    out.fields = std::move(matched->fields);
    out.message = std::move(matched->redacted);
    own_statement = std::move(matched->statement);
    const std::string_view head = first_line(message);
    if (out.name == "statement_plan") {
      own_statement = std::string(plan_statement(message));
    } else if (own_statement.empty() && head.size() < message.size() && out.message.find('\n') == std::string::npos &&
               !out.message.ends_with("$?") && !out.message.ends_with("$?\"")) {
      const Lines more = redact_lines(std::string_view(message).substr(head.size() + 1), message_lines(), out);
      out.message += "\n" + more.redacted;
    }
  } else {
    out.name = kUnknownClass;
    std::size_t longest = 0;
    for (const StateClass& state : state_classes()) {
      if (out.sqlstate.size() != 5 || !out.sqlstate.starts_with(state.sqlstate) || state.sqlstate.size() <= longest) continue;
      longest = state.sqlstate.size();
      out.name = state.name;
    }
  }
  // Whoever types a password where a user belongs is not known to the server.
  const std::string no_such = "ole \"" + event[Field::kUser] + "\" does not exist";
  if (!out.user.empty() && (event[Field::kDetail].find(no_such) != std::string::npos || message.find(no_such) != std::string::npos))
    out.user = kRedacted;
  const bool unverified = out.name == "connection_authorized" || out.name == "connection_authenticated" || out.name == "hba_missing" ||
                          out.name == "hba_rejected" || out.name == "role_unknown";
  if (unverified && !out.user.empty()) out.user = kRedacted;
  if ((unverified || out.name == "database_unknown") && !out.database.empty()) out.database = kRedacted;

  if (!event[Field::kDetail].empty())
    out.detail = bounded(redact_lines(event[Field::kDetail], detail_lines(), out).redacted, kRedactedBytesMax);
  if (!event[Field::kContext].empty())
    out.context = bounded(redact_lines(event[Field::kContext], context_lines(), out).redacted, kRedactedBytesMax);
  const std::string crashed = std::exchange(out.statement, {});
  set_statement(!own_statement.empty() ? std::string_view(own_statement)
                : !statement.empty()   ? std::string_view(statement)
                                       : std::string_view(crashed),
                out);
  out.message = bounded(std::move(out.message), kRedactedBytesMax);
  for (Extracted& field : out.fields) field.text = bounded(std::move(field.text), kNameBytesMax);
  return out;
}

std::string fields_as_json(const std::vector<Extracted>& fields) {
  std::string out;
  for (const Extracted& field : fields) {
    out += out.empty() ? "{" : ",";
    out += '"';
    out += field.name;
    out += "\":";
    if (field.kind == Extracted::Kind::kInt) {
      out += std::to_string(field.number);
    } else if (field.kind == Extracted::Kind::kReal) {
      char text[32];
      const auto [end, error] = std::to_chars(text, text + sizeof text, field.real);
      out.append(text, error == std::errc() ? end : text);
    } else {
      out += '"';
      for (const char c : field.text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
          out += ' ';
        else
          out += c;
      }
      out += '"';
    }
  }
  return out.empty() ? out : out + "}";
}

}  // namespace pga::logs
