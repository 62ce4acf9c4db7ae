#include "store/sql.h"

namespace pga::store {
namespace {

std::string quote(std::string_view text, char mark) {
  std::string out(1, mark);
  for (const char c : text) {
    if (c == mark || c == '\\') out += '\\';
    out += c;
  }
  return out + mark;
}

}  // namespace

std::string quote_name(std::string_view name) { return quote(name, '`'); }
std::string quote_text(std::string_view text) { return quote(text, '\''); }

std::string escape_tsv(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\0':
        out += "\\0";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Parameters::bind(std::int64_t number) {
  std::string name = "p" + std::to_string(items_.size());
  std::string placeholder = "{" + name + ":Int64}";
  set(std::move(name), number);
  return placeholder;
}

std::string Parameters::bind(std::string_view text) {
  std::string name = "p" + std::to_string(items_.size());
  std::string placeholder = "{" + name + ":String}";
  set(std::move(name), text);
  return placeholder;
}

std::string Parameters::url() const {
  std::string out;
  for (const auto& [name, value] : items_) out += "&param_" + name + "=" + percent_encode(value);
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[u >> 4];
      out += kDigits[u & 15];
    }
  }
  return out;
}

}  // namespace pga::store
