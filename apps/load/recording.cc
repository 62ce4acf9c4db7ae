#include "recording.h"

#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/files.h"
#include "base/limits.h"

namespace pga::load {
namespace {

constexpr std::int64_t kSampleApartUs = 300'000;  // a larger step of sampled_at begins the next sample

Result<std::string> read_zstd(const std::filesystem::path& path) {
  PGA_TRY(const std::string packed, read_file(path, 256 * kMiB));
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27);
  std::string out;
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::string chunk(1 << 20, '\0');
  while (in.pos < in.size) {
    ZSTD_outBuffer to{chunk.data(), chunk.size(), 0};
    const std::size_t got = ZSTD_decompressStream(context, &to, &in);
    if (ZSTD_isError(got) != 0) {
      ZSTD_freeDCtx(context);
      return corrupt(path.string() + ": " + ZSTD_getErrorName(got));
    }
    out.append(chunk, 0, to.pos);
  }
  ZSTD_freeDCtx(context);
  return out;
}

struct Field {
  std::string_view text;
  bool is_null = false;  // empty and without quotes
};

// Splits CSV in place: quoted fields keep their place in `text`, doubled quotes are closed up.
std::vector<std::vector<Field>> parse_csv(std::string& text) {
  std::vector<std::vector<Field>> rows(1);
  char* at = text.data();
  char* const end = at + text.size();
  while (at < end) {
    Field field;
    char* begin = at;
    if (*at == '"') {
      char* to = begin = ++at;
      while (at < end && (*at != '"' || (at + 1 < end && at[1] == '"'))) {
        if (*at == '"') ++at;
        *to++ = *at++;
      }
      if (at < end) ++at;
      field.text = {begin, static_cast<std::size_t>(to - begin)};
    } else {
      while (at < end && *at != ',' && *at != '\n') ++at;
      field = {{begin, static_cast<std::size_t>(at - begin)}, at == begin};
    }
    rows.back().push_back(field);
    if (at < end && *at++ == '\n' && at < end) rows.emplace_back();
  }
  return rows;
}

// "2026-11-23 02:26:59.145636+00"
std::int64_t parse_time(std::string_view text) {
  const auto number = [&](std::size_t from, std::size_t n) {
    int value = 0;
    std::from_chars(text.data() + from, text.data() + from + n, value);
    return value;
  };
  using namespace std::chrono;
  const sys_days day = year{number(0, 4)} / month{static_cast<unsigned>(number(5, 2))} / static_cast<unsigned>(number(8, 2));
  std::int64_t us = duration_cast<microseconds>(day.time_since_epoch()).count();
  us += (number(11, 2) * 3600LL + number(14, 2) * 60LL + number(17, 2)) * 1'000'000;
  std::int64_t fraction = 100'000;
  for (std::size_t i = 20; text[19] == '.' && i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, fraction /= 10)
    us += (text[i] - '0') * fraction;
  return us;
}

CellType type_of(std::string_view name, const catalog::Source& source) {
  const catalog::Column* column = source.find(name);
  if (column == nullptr) return name.ends_with("_time") ? CellType::kDouble : CellType::kTime;  // mean_*_time; sampled_at
  switch (column->sql_type) {
    case catalog::SqlType::kFloat:
      return CellType::kDouble;
    case catalog::SqlType::kBool:
      return CellType::kBool;
    case catalog::SqlType::kText:
      return CellType::kText;
    case catalog::SqlType::kTime:
      return CellType::kTime;
    default:
      return CellType::kInt;
  }
}

void add_cell(ViewColumn& column, const Field& field) {
  std::int64_t integer = 0;
  double real = 0;
  const char* const end = field.text.data() + field.text.size();
  if (!field.is_null) {
    if (column.type == CellType::kInt) std::from_chars(field.text.data(), end, integer);
    if (column.type == CellType::kDouble) std::from_chars(field.text.data(), end, real);
    if (column.type == CellType::kBool) integer = field.text == "t" ? 1 : 0;
    if (column.type == CellType::kTime) integer = parse_time(field.text);
  }
  column.integers.push_back(integer);
  column.doubles.push_back(real);
  column.texts.push_back(field.text);
  column.present.push_back(field.is_null && !column.is_key ? 0 : 1);
}

// Rows [first, last) as the collector's reader would have answered them.
Result<collect::Reading> reading_of(const catalog::Source& source, const View& view, std::size_t first, std::size_t last,
                                    std::int64_t at_us) {
  collect::Reading reading;
  reading.started_us = at_us;
  reading.duration_us = 1'500;
  reading.cells.rows = last - first;
  for (const catalog::Column& declared : source.columns) {
    const auto from = std::find_if(view.columns.begin(), view.columns.end(), [&](const ViewColumn& c) { return c.name == declared.name; });
    if (from == view.columns.end()) return invalid(source.name + " declares " + declared.name + ", which is not in the recording");
    collect::CellColumn& to = reading.cells.columns.emplace_back();
    for (std::size_t row = first; row < last; ++row) {
      std::int64_t value = from->integers[row];
      if (from->type == CellType::kDouble && from->present[row] != 0) {
        PGA_TRY(value, collect::parse_cell(declared, from->texts[row]));
      }
      to.values.push_back(value);
      to.present.push_back(from->present[row]);
      if (from->type == CellType::kText) to.texts.push_back(from->texts[row]);
    }
  }
  return reading;
}

Status add_readings(const catalog::Source& source, const View& view, Snapshot& snapshot) {
  const auto sampled = std::find_if(view.columns.begin(), view.columns.end(), [](const ViewColumn& c) { return c.name == "sampled_at"; });
  std::size_t first = 0;
  for (std::size_t row = 1; row <= view.rows; ++row) {
    const bool next =
        row == view.rows || (sampled != view.columns.end() && sampled->integers[row] - sampled->integers[row - 1] > kSampleApartUs);
    if (!next) continue;
    PGA_TRY(auto reading, reading_of(source, view, first, row, sampled != view.columns.end() ? sampled->integers[first] : snapshot.at_us));
    snapshot.readings.emplace_back(&source, std::move(reading));
    first = row;
  }
  if (view.rows == 0) {
    PGA_TRY(auto reading, reading_of(source, view, 0, 0, snapshot.at_us));
    snapshot.readings.emplace_back(&source, std::move(reading));
  }
  return {};
}

std::vector<std::string> names_of(const std::vector<Field>& header, const std::string& view) {
  std::vector<std::string> names;
  for (const Field& field : header) {
    std::string name(field.text);
    if (std::find(names.begin(), names.end(), name) != names.end()) name = (view == "bgwriter" ? "archiver_" : "second_") + name;
    names.push_back(std::move(name));
  }
  return names;
}

Result<std::vector<std::int64_t>> times_of(const std::filesystem::path& directory, std::deque<std::string>& files) {
  PGA_TRY(std::string text, read_zstd(directory / "meta.csv.zst"));
  files.push_back(std::move(text));
  const auto rows = parse_csv(files.back());
  std::vector<std::int64_t> times;
  for (std::size_t i = 1; i < rows.size(); ++i) times.push_back(parse_time(rows[i].at(1).text));
  return times;
}

}  // namespace

Result<double> recording_interval(const std::filesystem::path& directory) {
  std::deque<std::string> files;
  PGA_TRY(const auto times, times_of(directory, files));
  if (times.size() < 2) return invalid("a recording of " + std::to_string(times.size()) + " snapshots");
  return static_cast<double>(times.back() - times.front()) / 1e6 / static_cast<double>(times.size() - 1);
}

Result<Recording> read_recording(const std::filesystem::path& directory, const std::filesystem::path& declarations, std::size_t step) {
  Recording recording;
  PGA_TRY(const auto times, times_of(directory, recording.files));
  for (std::size_t i = 0; i < times.size(); i += step) recording.snapshots.emplace_back().at_us = times[i];
  for (const char* name : {"statements", "tables", "indexes", "database", "bgwriter", "wal", "slru", "locks", "activity"}) {
    const std::filesystem::path declaration = declarations / (std::string(name) + ".yaml");
    PGA_TRY(const std::string yaml, read_file(declaration, 1 * kMiB));
    PGA_TRY(auto source, catalog::Catalog::parse(yaml, declaration.string()));
    recording.sources.push_back(std::move(source));
    const catalog::Source& declared = recording.sources.back();
    PGA_TRY(std::string text, read_zstd(directory / (std::string(name) + ".csv.zst")));
    recording.files.push_back(std::move(text));
    const auto rows = parse_csv(recording.files.back());
    const auto names = names_of(rows.front(), name);
    std::vector<View> views(recording.snapshots.size());
    for (View& view : views) {
      view.name = name;
      for (std::size_t c = 1; c < names.size(); ++c) {
        const catalog::Column* column = declared.find(names[c]);
        view.columns.push_back(
            {names[c], type_of(names[c], declared), column != nullptr && column->kind == wire::ColumnKind::kKey, {}, {}, {}, {}});
      }
    }
    for (std::size_t r = 1; r < rows.size(); ++r) {
      std::size_t snap = 0;
      std::from_chars(rows[r][0].text.data(), rows[r][0].text.data() + rows[r][0].text.size(), snap);
      if (snap % step != 0 || snap / step >= views.size()) continue;
      View& view = views[snap / step];
      ++view.rows;
      for (std::size_t c = 0; c < view.columns.size(); ++c) add_cell(view.columns[c], rows[r].at(c + 1));
    }
    for (std::size_t i = 0; i < views.size(); ++i) {
      Snapshot& snapshot = recording.snapshots[i];
      PGA_TRY_STATUS(add_readings(declared, views[i], snapshot));
      for (const ViewColumn& column : views[i].columns) {
        if (!column.is_key && column.name != "sampled_at")
          snapshot.samples += static_cast<std::size_t>(std::ranges::count(column.present, 1));
      }
      snapshot.views.push_back(std::move(views[i]));
    }
  }
  return recording;
}

}  // namespace pga::load
