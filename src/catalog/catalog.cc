#include "catalog/catalog.h"

#include <algorithm>

#include "base/files.h"
#include "base/limits.h"
#include "catalog/builtin.h"

namespace pga::catalog {

std::string Source::table() const {
  std::string table = name;
  std::replace(table.begin(), table.end(), '.', '_');
  return table;
}

bool Source::has_counters() const {
  return std::any_of(columns.begin(), columns.end(), [](const Column& c) { return c.kind == wire::ColumnKind::kCounter; });
}

bool Source::is_small() const {
  constexpr std::size_t kRows = 2'000;
  constexpr std::chrono::seconds kTimeout{2}, kInterval{5};
  return reader.empty() && shape != Shape::kTexts && rows_max <= kRows && timeout <= kTimeout && interval >= kInterval;
}

std::vector<std::size_t> Source::keys() const {
  std::vector<std::size_t> keys;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].kind == wire::ColumnKind::kKey) keys.push_back(i);
  }
  return keys;
}

const Column* Source::find(std::string_view column) const {
  const auto it = std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == column; });
  return it == columns.end() ? nullptr : &*it;
}

wire::Schema Source::schema() const {
  wire::Schema schema{name, {}};
  for (const Column& c : columns) schema.columns.push_back({c.name, c.kind, c.wire_type});
  if (has_counters()) schema.columns.push_back({std::string(kEstimatedColumn), wire::ColumnKind::kGauge, wire::ColumnType::kBool});
  if (shape == Shape::kObjects) schema.columns.push_back({std::string(kChangeColumn), wire::ColumnKind::kGauge, wire::ColumnType::kString});
  return schema;
}

Result<Catalog> Catalog::load(const std::filesystem::path& directory) {
  Catalog catalog;
  for (const Declaration& declaration : builtin_declarations()) {
    PGA_TRY(Source source, parse(declaration.text, std::string(declaration.file)));
    PGA_TRY_STATUS(catalog.add(std::move(source)));
  }
  if (!directory.empty()) {
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (std::filesystem::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() == ".yaml") files.push_back(it->path());
    }
    if (error) return invalid("read directory of sources " + directory.string() + ": " + error.message());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      PGA_TRY(const std::string text, read_file(file, 256 * kKiB));
      PGA_TRY(Source source, parse(text, file.string()));
      PGA_TRY_STATUS(catalog.add(std::move(source)));
    }
  }
  for (const Source& source : catalog.sources_) {
    if (!source.follows.empty() && catalog.find(source.follows) == nullptr) {
      return invalid(source.file + ": follows \"" + source.follows + "\", which is not declared");
    }
  }
  return catalog;
}

Status Catalog::add(Source source) {
  const auto at =
      std::lower_bound(sources_.begin(), sources_.end(), source, [](const Source& a, const Source& b) { return a.name < b.name; });
  if (at != sources_.end() && at->name == source.name) {
    return invalid(source.file + ": source \"" + source.name + "\" is already declared in " + at->file);
  }
  sources_.insert(at, std::move(source));
  return {};
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> names;
  for (const Source& source : sources_) names.push_back(source.name);
  return names;
}

Catalog Catalog::with_every_row() const {
  Catalog copy = *this;
  for (Source& source : copy.sources_) {
    source.ship = Ship::kAll;
    source.full_every = {};
    for (Column& column : source.columns) column.only_changed = false;
  }
  return copy;
}

const Source* Catalog::find(std::string_view name) const {
  const auto it = std::find_if(sources_.begin(), sources_.end(), [&](const Source& s) { return s.name == name; });
  return it == sources_.end() ? nullptr : &*it;
}

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::kInstance:
      return "instance";
    case Scope::kDatabase:
      return "database";
    case Scope::kHost:
      return "host";
    case Scope::kProcesses:
      return "processes";
    case Scope::kPooler:
      return "pooler";
    case Scope::kCollector:
      return "collector";
  }
  return "?";
}

std::string_view to_string(Shape shape) {
  switch (shape) {
    case Shape::kSeries:
      return "series";
    case Shape::kSamples:
      return "samples";
    case Shape::kTexts:
      return "texts";
    case Shape::kObjects:
      return "objects";
  }
  return "?";
}

std::string_view to_string(wire::ColumnKind kind) {
  switch (kind) {
    case wire::ColumnKind::kKey:
      return "key";
    case wire::ColumnKind::kCounter:
      return "counter";
    case wire::ColumnKind::kGauge:
      return "gauge";
    case wire::ColumnKind::kText:
      return "text";
    case wire::ColumnKind::kTime:
      return "time";
  }
  return "?";
}

std::string_view to_string(wire::ColumnType type) {
  switch (type) {
    case wire::ColumnType::kInt:
      return "int";
    case wire::ColumnType::kBool:
      return "bool";
    case wire::ColumnType::kString:
      return "text";
    case wire::ColumnType::kTime:
      return "time";
    case wire::ColumnType::kDouble:
      return "double";
  }
  return "?";
}

}  // namespace pga::catalog
