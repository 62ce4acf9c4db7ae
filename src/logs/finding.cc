#include "logs/finding.h"

#include <xxhash.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <iterator>

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

// Whether a quote that is opened in the line is closed in it.
bool is_closed(std::string_view line) {
  return std::count(line.begin(), line.end(), '"') % 2 == 0 && std::count(line.begin(), line.end(), '\'') % 2 == 0;
}

// Each line by the patterns; what none of them says becomes "$?". A statement may have more lines than its first, and so may a value:
// behind a quote that was left open nothing is a line of the server's own.
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
    const bool ends_with_value = !matched || matched->redacted.ends_with("$?") || matched->redacted.ends_with("$?\"");
    if (ends_with_value && !is_closed(line)) break;
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
  const bool may_be_broken = out.name == kUnknownClass && out.sqlstate.empty() && out.severity == "ERROR";  // in another language
  if (out.name == "syntax_error" || may_be_broken) {
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

// The message is the application's own, in whatever words: a function raised it.
bool is_raised(const Event& event) { return first_line(event[Field::kContext]).ends_with(" RAISE"); }

// What does not exist has been named by somebody, maybe in a literal ('name'::regclass, LOAD 'name'). It is a name if it stands in the
// statement, or in that of the function, when they are redacted.
bool is_only_said(const Event& event, const Finding& out) {
  const bool while_starting = out.severity == "FATAL" && event[Field::kUser].empty() && event[Field::kStatement].empty();
  if (while_starting) return false;
  const Extracted* const named = out.field(out.name == "undefined_table" ? "relation" : "tablespace");
  if (out.name == "library_missing") return true;
  if ((out.name != "undefined_table" && out.name != "tablespace_error") || named == nullptr) return false;
  std::string_view last = named->text;  // "schema.table" may be quoted in parts
  last.remove_prefix(last.rfind('.') + 1);
  const auto stands_in = [&](Field field) {
    return sql::scan_sql(event[field], kStatementBytesMax).redacted.find(last) != std::string::npos;
  };
  return last.empty() || (!stands_in(Field::kStatement) && !stands_in(Field::kInternalQuery));
}

// The message without any name.
std::string without_names(std::string_view message) {
  return without_quoted_names(message.substr(0, std::min(message.find("\": "), message.size())));
}

// The client says who it is, and nobody has looked whether that is true: what stands there may be a password.
bool is_unverified(const Event& event, const Finding& out) {
  const std::string& user = event[Field::kUser];
  const std::string& detail = event[Field::kDetail];
  const std::string no_such = "ole \"" + user + "\" does not exist";
  if (detail.find(no_such) != std::string::npos || event[Field::kMessage].find(no_such) != std::string::npos) return true;
  if (out.name == "authentication_failed") {
    return !detail.starts_with("Password does not match for user \"" + user + "\"") && !detail.starts_with("User \"" + user + "\" has ");
  }
  constexpr std::string_view kBefore[] = {"connection_authorized", "connection_authenticated", "hba_missing",      "hba_rejected",
                                          "role_unknown",          "authentication_timeout",   "server_not_ready", "ssl_error",
                                          "protocol_violation",    "connection_received"};
  if (std::find(std::begin(kBefore), std::end(kBefore), out.name) != std::end(kBefore)) return true;
  if (event[Field::kMessage] == "sorry, too many clients already") return true;
  const std::string& command = event[Field::kCommand];
  if (!command.empty()) return command == "authentication" || command == "startup" || command == "initializing";
  // In stderr without %i these may come from a login as well; a session's application is known only after it.
  const bool may_be_login = out.name == "connection_lost" || out.name == kUnknownClass;
  return may_be_login && (event[Field::kApplication].empty() || event[Field::kApplication].ends_with("[unknown]"));
}

bool is_address(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view(".:-_%[]").find(static_cast<char>(c)) != std::string_view::npos;
  });
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

  const bool raised = is_raised(event);
  auto matched = raised ? std::nullopt : say(message, out.sqlstate, out.name);
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
  if (matched && is_only_said(event, out)) {
    out.fields.clear();
    out.message = without_names(out.message);
  }
  const bool unverified = is_unverified(event, out);
  if (unverified && !out.user.empty()) out.user = kRedacted;
  if ((unverified || out.name == "database_unknown") && !out.database.empty()) out.database = kRedacted;
  // In stderr they stand beside each other, and where a strange name ends is a guess.
  if (unverified && !out.application.empty() && out.application != "[unknown]") out.application = kRedacted;
  if (!is_address(out.client)) out.client.clear();

  if (raised && !event[Field::kDetail].empty())
    out.detail = kRedacted;
  else if (!event[Field::kDetail].empty())
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
