#include "logs/prefix.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "logs/limits.h"

namespace pga::logs {
namespace {

constexpr Label kLabels[] = {
    {"DEBUG", "DEBUG", Field::kMessage},
    {"DEBUG1", "DEBUG", Field::kMessage},
    {"DEBUG2", "DEBUG", Field::kMessage},
    {"DEBUG3", "DEBUG", Field::kMessage},
    {"DEBUG4", "DEBUG", Field::kMessage},
    {"DEBUG5", "DEBUG", Field::kMessage},
    {"LOG", "LOG", Field::kMessage},
    {"INFO", "INFO", Field::kMessage},
    {"NOTICE", "NOTICE", Field::kMessage},
    {"WARNING", "WARNING", Field::kMessage},
    {"ERROR", "ERROR", Field::kMessage},
    {"FATAL", "FATAL", Field::kMessage},
    {"PANIC", "PANIC", Field::kMessage},
    {"DETAIL", "", Field::kDetail},
    {"HINT", "", Field::kHint},
    {"QUERY", "", Field::kInternalQuery},
    {"CONTEXT", "", Field::kContext},
    {"STATEMENT", "", Field::kStatement},
    {"LOCATION", "", Field::kLocation},
    {"BACKTRACE", "", Field::kLocation},
    // lc_messages is often the language of the machine.
    {"HINWEIS", "NOTICE", Field::kMessage},
    {"WARNUNG", "WARNING", Field::kMessage},
    {"FEHLER", "ERROR", Field::kMessage},
    {"PANIK", "PANIC", Field::kMessage},
    {"TIPP", "", Field::kHint},
    {"ANFRAGE", "", Field::kInternalQuery},
    {"ZUSAMMENHANG", "", Field::kContext},
    {"ANWEISUNG", "", Field::kStatement},
    {"ORT", "", Field::kLocation},
    {"ATTENTION", "WARNING", Field::kMessage},
    {"AVERTISSEMENT", "WARNING", Field::kMessage},
    {"ERREUR", "ERROR", Field::kMessage},
    {"PANIQUE", "PANIC", Field::kMessage},
    {"DÉTAIL", "", Field::kDetail},
    {"ASTUCE", "", Field::kHint},
    {"REQUÊTE", "", Field::kInternalQuery},
    {"CONTEXTE", "", Field::kContext},
    {"INSTRUCTION", "", Field::kStatement},
    {"ADVERTENCIA", "WARNING", Field::kMessage},
    {"DETALLE", "", Field::kDetail},
    {"SUGERENCIA", "", Field::kHint},
    {"CONSULTA", "", Field::kInternalQuery},
    {"CONTEXTO", "", Field::kContext},
    {"SENTENCIA", "", Field::kStatement},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Which field an escape fills; kCount: read over.
Field field_of(char escape) {
  switch (escape) {
    case 'a':
      return Field::kApplication;
    case 'b':
      return Field::kBackendType;
    case 'c':
      return Field::kSession;
    case 'd':
      return Field::kDatabase;
    case 'e':
      return Field::kSqlstate;
    case 'h':
    case 'r':
      return Field::kRemote;
    case 'i':
      return Field::kCommand;
    case 'l':
      return Field::kLine;
    case 'm':
    case 'n':
    case 't':
      return Field::kTime;
    case 'p':
      return Field::kPid;
    case 'P':
      return Field::kLeaderPid;
    case 'Q':
      return Field::kQueryId;
    case 's':
      return Field::kSessionStart;
    case 'u':
      return Field::kUser;
    case 'v':
      return Field::kVirtualXid;
    case 'x':
      return Field::kXid;
    default:
      return Field::kCount;
  }
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Whether `text` can be what an escape printed, padding gone.
bool fits(char escape, std::string_view text) {
  const auto all = [&](auto good) { return std::all_of(text.begin(), text.end(), good); };
  switch (escape) {
    case 'm':
    case 't':
    case 's': {
      LogTime time;
      // The zone is a name without blanks and always there.
      return parse_log_time(text, time) && std::count(text.begin(), text.end(), ' ') == 2;
    }
    case 'n':
      return !text.empty() && all([](char c) { return is_digit(c) || c == '.'; });
    case 'p':
      return !text.empty() && all(is_digit);
    case 'l':
    case 'x':
      return !text.empty() && all(is_digit);
    case 'P':
      return all(is_digit);
    case 'Q':
      return !text.empty() && (is_digit(text[0]) || text[0] == '-') && std::all_of(text.begin() + 1, text.end(), is_digit);
    case 'c':
      return text.find('.') != std::string_view::npos && all([](char c) { return is_hex(c) || c == '.'; });
    case 'v':
      return all([](char c) { return is_digit(c) || c == '/' || c == '-'; });
    case 'e':
      return text.size() == 5 && all([](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); });
    default:
      return true;
  }
}

}  // namespace

const Label* label_of(std::string_view text) {
  const std::size_t colon = text.substr(0, 24).find(':');
  // French puts a blank in front of the colon; behind it are two.
  if (colon == std::string_view::npos || text.substr(colon + 1, 2) != "  ") return nullptr;
  std::string_view word = text.substr(0, colon);
  if (!word.empty() && word.back() == ' ') word.remove_suffix(1);
  if (word.ends_with("\xC2\xA0")) word.remove_suffix(2);
  for (const Label& label : kLabels) {
    if (label.word == word) return &label;
  }
  return nullptr;
}

Prefix::Prefix(std::string_view format) {
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) tokens_.push_back({0, std::exchange(literal, {}), 0});
  };
  for (std::size_t i = 0; i < format.size() && tokens_.size() < kPrefixTokensMax; ++i) {
    if (format[i] != '%') {
      literal += format[i];
      continue;
    }
    if (++i >= format.size()) break;
    int padding = 0;
    const bool left = format[i] == '-';
    if (left) ++i;
    while (i < format.size() && is_digit(format[i]) && padding < 1000) padding = padding * 10 + (format[i++] - '0');
    if (i >= format.size()) break;
    if (format[i] == '%') {
      literal += '%';
    } else if (format[i] == 'q') {
      flush();
      optional_from_ = std::min(optional_from_, tokens_.size());
    } else if (field_of(format[i]) != Field::kCount || format[i] == 'L') {
      flush();
      tokens_.push_back({format[i], {}, padding});
    }
  }
  flush();
}

// Tries the shortest text for each escape first, and longer ones when what follows does not fit.
struct Prefix::Search {
  const Prefix& prefix;
  std::string_view line;
  std::size_t begins[kPrefixTokensMax + 2] = {};
  std::size_t steps = 0;
  std::size_t end = 0;
  std::size_t used = 0;  // tokens
  const Label* label = nullptr;

  bool ends_at(std::size_t at, std::size_t token) {
    label = label_of(line.substr(at));
    end = at;
    used = token;
    return label != nullptr;
  }

  bool from(std::size_t at, std::size_t index) {
    if (++steps > kPrefixStepsMax) return false;
    begins[index] = at;
    if (index == prefix.optional_from_ && ends_at(at, index)) return true;
    if (index == prefix.tokens_.size()) return ends_at(at, index);
    const Token& token = prefix.tokens_[index];
    if (token.escape == 0) return line.substr(at).starts_with(token.literal) && from(at + token.literal.size(), index + 1);
    // Nothing that an escape prints is longer; PostgreSQL itself cuts names at 63 bytes.
    const std::size_t most = std::min(line.size(), at + kNameBytesMax + static_cast<std::size_t>(token.padding));
    const std::string* next =
        index + 1 < prefix.tokens_.size() && prefix.tokens_[index + 1].escape == 0 ? &prefix.tokens_[index + 1].literal : nullptr;
    for (std::size_t to = at; to <= most; ++to) {
      if (next != nullptr) {
        to = line.find(*next, to);
        if (to == std::string_view::npos || to > most) return false;
      }
      if (!fits(token.escape, trimmed(line.substr(at, to - at)))) {
        if (++steps > kPrefixStepsMax) return false;
        continue;
      }
      if (from(to, index + 1)) return true;
      begins[index] = at;
    }
    return false;
  }
};

const Label* Prefix::match(std::string_view line, Event& event, std::string_view& message) const {
  Search search{*this, line.substr(0, kPrefixBytesMax)};
  if (!search.from(0, 0)) return nullptr;
  search.begins[search.used] = search.end;
  for (std::size_t i = 0; i < search.used; ++i) {
    const Token& token = tokens_[i];
    const Field field = token.escape == 0 ? Field::kCount : field_of(token.escape);
    if (field == Field::kCount) continue;
    std::string_view text = trimmed(line.substr(search.begins[i], search.begins[i + 1] - search.begins[i]));
    if (text == "[unknown]") text = {};
    if (field == Field::kTime && !event[field].empty() && token.escape == 't') continue;  // the finer one stays
    event[field].clear();
    event.append(field, text.substr(0, token.escape == 'r' ? text.find('(') : text.size()));
    if (field == Field::kRemote && !text.empty() && text != "[local]") event.append(field, ":");  // as in csvlog, the port left out
  }
  event[Field::kSeverity] = search.label->severity;
  message = line.substr(search.end);
  message.remove_prefix(message.find(':') + 3);
  return search.label;
}

}  // namespace pga::logs
