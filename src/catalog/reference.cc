// The page that documents every source, made from the declarations.
#include <sstream>

#include "catalog/catalog.h"

namespace pga::catalog {
namespace {

std::string seconds(std::chrono::microseconds us) {
  std::ostringstream out;
  out << static_cast<double>(us.count()) / 1e6 << " s";
  return out.str();
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.replace(at, 1, "\\|");
  return text;
}

}  // namespace

std::string reference_markdown(const Catalog& catalog) {
  std::ostringstream out;
  out << "# Sources\n\nMade from the declarations under `catalog/` by `pganalytics-server sources --markdown`; a test compares this page "
         "with them.\n"
         "Counters travel and are stored as increments per reading. The format of a declaration: [catalog.md](../catalog.md).\n\n"
         "| source | scope | every | what |\n|---|---|---|---|\n";
  for (const Source& s : catalog.sources()) {
    out << "| [" << s.name << "](#" << s.table() << ") | " << to_string(s.scope) << " | " << seconds(s.interval) << " | " << cell(s.doc)
        << " |\n";
  }
  for (const Source& s : catalog.sources()) {
    out << "\n<a id=\"" << s.table() << "\"></a>\n## " << s.name << "\n\n"
        << s.doc << "\n\nTable `" << s.table() << "`, shape " << to_string(s.shape) << ", at most " << s.rows_max << " rows and "
        << seconds(s.timeout) << " a reading.";
    if (!s.role.empty()) out << " Needs the rights of `" << s.role << "`, which `pg_monitor` has.";
    if (!s.extension.empty()) out << " Needs the extension `" << s.extension << "`.";
    for (std::size_t i = 0; i < s.from.size(); ++i) out << (i == 0 ? " Read from `" : ", or else from `") << from_sql(s, i) << "`";
    out << (s.from.empty() ? "" : ".") << "\n\n| column | kind | type | unit | what |\n|---|---|---|---|---|\n";
    for (const Column& c : s.columns) {
      out << "| `" << c.name << "` | " << to_string(c.kind) << " | " << to_string(c.wire_type) << (c.nullable ? ", may be null" : "")
          << " | " << c.unit << " | " << cell(c.doc);
      if (c.names.size() > 1) {
        out << " Spelled";
        for (std::size_t i = 0; i < c.names.size(); ++i) out << (i == 0 ? " `" : ", `") << c.names[i] << "`";
        out << " over the versions.";
      }
      out << " |\n";
    }
  }
  return out.str();
}

}  // namespace pga::catalog
