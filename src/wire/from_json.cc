#include <algorithm>
#include <bit>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "wire/codec_internal.h"
#include "wire/json_names_internal.h"
#include "wire/json_twin.h"
#include "wire/limits.h"

namespace pga::wire {
namespace {

namespace json = boost::json;

// Builds the document with bounds, refuses a member that is there twice, and reads doubles to the last bit, which Boost 1.81's own
// parser does not.
struct DocumentHandler {
  static constexpr std::size_t max_object_size = 64;
  static constexpr std::size_t max_array_size = kRowsMax;
  static constexpr std::size_t max_key_size = 256;
  static constexpr std::size_t max_string_size = kStringBytesMax;
  static constexpr std::size_t kValuesMax = kCellsMax + kMiB;

  json::value_stack stack;
  std::string part;                            // of a key or number that came in pieces
  std::vector<std::vector<std::string>> keys;  // of the objects around the current position
  std::size_t values = 0;
  std::string fault;  // why we stopped the parser

  bool stop(json::error_code& ec, json::error code, std::string why) {
    fault = std::move(why);
    ec = code;
    return false;
  }
  bool counted(json::error_code& ec) {
    if (++values <= kValuesMax) return true;
    return stop(ec, json::error::array_too_large, "more than " + std::to_string(kValuesMax) + " values");
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    keys.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, json::error_code& ec) {
    keys.pop_back();
    stack.push_object(n);
    return counted(ec);
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t n, json::error_code& ec) {
    stack.push_array(n);
    return counted(ec);
  }
  bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
    part.append(s.data(), s.size());
    return true;
  }
  bool on_key(json::string_view s, std::size_t, json::error_code& ec) {
    part.append(s.data(), s.size());
    if (std::ranges::find(keys.back(), part) != keys.back().end())
      return stop(ec, json::error::syntax, "the member " + part + " is there twice");
    stack.push_key(part);
    keys.back().push_back(std::exchange(part, {}));
    return true;
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_string(json::string_view s, std::size_t, json::error_code& ec) {
    stack.push_string(s);
    return counted(ec);
  }
  bool on_number_part(json::string_view s, json::error_code&) {
    part.append(s.data(), s.size());
    return true;
  }
  bool on_int64(std::int64_t v, json::string_view, json::error_code& ec) {
    part.clear();
    stack.push_int64(v);
    return counted(ec);
  }
  bool on_uint64(std::uint64_t v, json::string_view, json::error_code& ec) {
    part.clear();
    stack.push_uint64(v);
    return counted(ec);
  }
  bool on_double(double, json::string_view s, json::error_code& ec) {
    part.append(s.data(), s.size());
    double value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error == std::errc::result_out_of_range) return stop(ec, json::error::syntax, "the number " + part + " is not a finite double");
    if (error != std::errc{} || end != part.data() + part.size()) return stop(ec, json::error::syntax, "the number " + part);
    part.clear();
    stack.push_double(value);
    return counted(ec);
  }
  bool on_bool(bool v, json::error_code& ec) {
    stack.push_bool(v);
    return counted(ec);
  }
  bool on_null(json::error_code& ec) {
    stack.push_null();
    return counted(ec);
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

Result<json::value> parse(std::string_view text) {
  if (text.size() > kJsonBytesMax)
    return too_large("JSON of " + std::to_string(text.size()) + " bytes exceeds the limit of " + std::to_string(kJsonBytesMax));
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<DocumentHandler> parser(options);
  json::error_code ec;
  const std::size_t at = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && at < text.size()) ec = json::error::extra_data;
  if (!ec) return parser.handler().stack.release();
  const std::string why = parser.handler().fault.empty() ? ec.message() : parser.handler().fault;
  const bool large = ec == json::error::array_too_large || ec == json::error::object_too_large || ec == json::error::string_too_large ||
                     ec == json::error::key_too_large || ec == json::error::too_deep;
  return Error{large ? ErrorCode::kTooLarge : ErrorCode::kCorrupt, "JSON, byte " + std::to_string(at) + ": " + why};
}

template <class T>
std::optional<T> integer_of(const json::value& value) {
  if (const auto* i = value.if_int64()) return std::in_range<T>(*i) ? std::optional(static_cast<T>(*i)) : std::nullopt;
  if (const auto* u = value.if_uint64()) return std::in_range<T>(*u) ? std::optional(static_cast<T>(*u)) : std::nullopt;
  const auto* text = value.if_string();
  if (text == nullptr) return std::nullopt;
  T number{};
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

class FrameReader {
 public:
  Result<Frame> run(const json::value& document);

 private:
  // Names the member that is being read: "batches[3].rows".
  class At {
   public:
    At(FrameReader& reader, std::string_view member) : reader_(reader), size_(reader.path_.size()) {
      if (size_ != 0) reader.path_ += '.';
      reader.path_ += member;
    }
    At(FrameReader& reader, std::size_t index) : reader_(reader), size_(reader.path_.size()) {
      reader.path_ += '[' + std::to_string(index) + ']';
    }
    ~At() { reader_.path_.resize(size_); }
    At(const At&) = delete;
    At& operator=(const At&) = delete;

   private:
    FrameReader& reader_;
    std::size_t size_;
  };

  [[nodiscard]] Error bad(std::string message) const { return invalid(path_.empty() ? std::move(message) : path_ + ": " + message); }
  [[nodiscard]] Error exceeds(std::size_t n, std::string_view what, std::size_t limit) const {
    return too_large(path_ + ": " + std::to_string(n) + " " + std::string(what) + " exceed the limit of " + std::to_string(limit));
  }

  Result<const json::object*> object(const json::value& value, std::initializer_list<std::string_view> members);
  template <class T>
  Status integer(const json::object& in, std::string_view name, T& out, std::optional<T> otherwise = std::nullopt);
  enum class Presence : std::uint8_t { kRequired, kOptional };
  Status text(const json::object& in, std::string_view name, std::string& out, Presence presence);
  Status note_text(std::string_view text, std::uint32_t* id = nullptr);
  template <std::size_t N>
  Result<std::size_t> name_of(const json::object& in, std::string_view name, const std::array<std::string_view, N>& names);
  // Calls read(value) for each element of the array `name`, absent = empty; the path names the element.
  template <class Prepare, class Read>
  Status each(const json::object& in, std::string_view name, std::size_t max, Prepare prepare, Read read);

  Status read_target(const json::value& value);
  Status read_schema(const json::value& value);
  Status read_column(const json::value& value, Schema& schema, std::set<std::string>& names);
  Status read_batch(const json::value& value);
  Status read_row(const json::value& value, const Schema& schema, Batch& batch, std::size_t row);
  Result<std::int64_t> read_cell(const json::value& value, ColumnType type);
  Status read_gap(const json::value& value);

  Frame frame_;
  std::string path_;
  std::size_t cells_ = 0;
};

Result<const json::object*> FrameReader::object(const json::value& value, std::initializer_list<std::string_view> members) {
  const auto* in = value.if_object();
  if (in == nullptr) return bad("an object is wanted");
  for (const auto& member : *in) {
    const std::string_view key(member.key().data(), member.key().size());
    if (!key.starts_with('_') && std::ranges::find(members, key) == members.end())
      return bad("the member " + std::string(key) + " is not known");
  }
  return in;
}

template <class T>
Status FrameReader::integer(const json::object& in, std::string_view name, T& out, std::optional<T> otherwise) {
  const At at(*this, name);
  const auto* value = in.if_contains(name);
  if (value == nullptr) {
    if (!otherwise) return bad("is missing");
    out = *otherwise;
    return {};
  }
  const auto number = integer_of<T>(*value);
  if (!number) return bad("an integer of " + std::to_string(8 * sizeof(T)) + " bits is wanted");
  out = *number;
  return {};
}

// Every text of a frame counts against the limits of its string table.
Status FrameReader::note_text(std::string_view text, std::uint32_t* id) {
  const std::uint32_t interned = frame_.strings.intern(text);
  if (id != nullptr) *id = interned;
  if (frame_.strings.size() - 1 > kTextsMax) return exceeds(frame_.strings.size() - 1, "strings", kTextsMax);
  if (frame_.strings.bytes() > kDictionaryBytesMax) return exceeds(frame_.strings.bytes(), "bytes of strings", kDictionaryBytesMax);
  return {};
}

Status FrameReader::text(const json::object& in, std::string_view name, std::string& out, Presence presence) {
  const At at(*this, name);
  const auto* value = in.if_contains(name);
  if (value == nullptr) return presence == Presence::kOptional ? Status() : bad("is missing");
  const auto* string = value->if_string();
  if (string == nullptr) return bad("a string is wanted");
  out.assign(string->data(), string->size());
  return note_text(out);
}

template <std::size_t N>
Result<std::size_t> FrameReader::name_of(const json::object& in, std::string_view name, const std::array<std::string_view, N>& names) {
  const At at(*this, name);
  const auto* value = in.if_contains(name);
  if (value == nullptr) return bad("is missing");
  const auto* string = value->if_string();
  const auto found = string == nullptr ? names.end() : std::ranges::find(names, std::string_view(string->data(), string->size()));
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string all;
  for (const std::string_view candidate : names) all += (all.empty() ? "" : ", ") + std::string(candidate);
  return bad("one of " + all + " is wanted");
}

template <class Prepare, class Read>
Status FrameReader::each(const json::object& in, std::string_view name, std::size_t max, Prepare prepare, Read read) {
  const At at(*this, name);
  const auto* value = in.if_contains(name);
  if (value == nullptr) return {};
  const auto* array = value->if_array();
  if (array == nullptr) return bad("an array is wanted");
  if (array->size() > max) return exceeds(array->size(), name, max);
  PGA_TRY_STATUS(prepare(array->size()));
  for (std::size_t i = 0; i < array->size(); ++i) {
    const At element(*this, i);
    PGA_TRY_STATUS(read((*array)[i], i));
  }
  return {};
}

Result<Frame> FrameReader::run(const json::value& document) {
  PGA_TRY(const json::object* const in,
          object(document, {"version", "epoch", "sequence", "sent_us", "targets", "schemas", "batches", "gaps"}));
  std::uint8_t version = 0;
  PGA_TRY_STATUS(integer(*in, "version", version));
  if (version != 1) return bad("frame of version " + std::to_string(version) + ", this program reads version 1");
  PGA_TRY_STATUS(integer(*in, "epoch", frame_.epoch));
  PGA_TRY_STATUS(integer(*in, "sequence", frame_.sequence));
  PGA_TRY_STATUS(integer(*in, "sent_us", frame_.sent_us));
  const auto nothing = [](std::size_t) -> Status { return {}; };
  PGA_TRY_STATUS(each(*in, "targets", kTargetsMax, nothing, [&](const json::value& v, std::size_t) { return read_target(v); }));
  PGA_TRY_STATUS(each(*in, "schemas", kSchemasMax, nothing, [&](const json::value& v, std::size_t) { return read_schema(v); }));
  PGA_TRY_STATUS(each(*in, "batches", kBatchesMax, nothing, [&](const json::value& v, std::size_t) { return read_batch(v); }));
  PGA_TRY_STATUS(each(*in, "gaps", kGapsMax, nothing, [&](const json::value& v, std::size_t) { return read_gap(v); }));
  return std::move(frame_);
}

Status FrameReader::read_target(const json::value& value) {
  PGA_TRY(const json::object* const in, object(value, {"kind", "name", "system_identifier", "version"}));
  Target& target = frame_.targets.emplace_back();
  PGA_TRY_STATUS(text(*in, "kind", target.kind, Presence::kRequired));
  PGA_TRY_STATUS(text(*in, "name", target.name, Presence::kRequired));
  PGA_TRY_STATUS(text(*in, "system_identifier", target.system_identifier, Presence::kOptional));
  return text(*in, "version", target.version, Presence::kOptional);
}

Status FrameReader::read_schema(const json::value& value) {
  PGA_TRY(const json::object* const in, object(value, {"source", "columns"}));
  Schema& schema = frame_.schemas.emplace_back();
  PGA_TRY_STATUS(text(*in, "source", schema.source, Presence::kRequired));
  if (schema.source.empty()) return bad("the name of the source is empty");
  std::set<std::string> names{""};  // the empty one is taken
  return each(
      *in, "columns", kColumnsMax, [](std::size_t) -> Status { return {}; },
      [&](const json::value& v, std::size_t) { return read_column(v, schema, names); });
}

Status FrameReader::read_column(const json::value& value, Schema& schema, std::set<std::string>& names) {
  PGA_TRY(const json::object* const in, object(value, {"name", "kind", "type"}));
  ColumnSchema& column = schema.columns.emplace_back();
  PGA_TRY_STATUS(text(*in, "name", column.name, Presence::kRequired));
  if (!names.insert(column.name).second) return bad(column.name.empty() ? "a column has no name" : "two columns are called " + column.name);
  PGA_TRY(const std::size_t kind, name_of(*in, "kind", kKindNames));
  column.kind = static_cast<ColumnKind>(kind);
  PGA_TRY(const std::size_t type, name_of(*in, "type", kTypeNames));
  column.type = static_cast<ColumnType>(type);
  return {};
}

Status FrameReader::read_batch(const json::value& value) {
  PGA_TRY(const json::object* const in, object(value, {"target", "schema", "outcome", "started_us", "interval_us", "duration_us",
                                                       "rows_seen", "database", "sqlstate", "detail", "missing", "rows"}));
  Batch& batch = frame_.batches.emplace_back();
  PGA_TRY_STATUS(integer(*in, "target", batch.target));
  if (batch.target >= frame_.targets.size())
    return bad("target " + std::to_string(batch.target) + " of " + std::to_string(frame_.targets.size()));
  PGA_TRY_STATUS(integer(*in, "schema", batch.schema));
  if (batch.schema >= frame_.schemas.size())
    return bad("schema " + std::to_string(batch.schema) + " of " + std::to_string(frame_.schemas.size()));
  if (in->contains("outcome")) {
    std::array<std::string_view, kOutcomeCount> names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = to_string(static_cast<Outcome>(i));
    PGA_TRY(const std::size_t outcome, name_of(*in, "outcome", names));
    batch.outcome = static_cast<Outcome>(outcome);
  }
  PGA_TRY_STATUS(integer(*in, "started_us", batch.started_us));
  PGA_TRY_STATUS(integer<std::int64_t>(*in, "interval_us", batch.interval_us, 0));
  PGA_TRY_STATUS(integer<std::uint64_t>(*in, "duration_us", batch.duration_us, 0));
  PGA_TRY_STATUS(text(*in, "database", batch.database, Presence::kOptional));
  PGA_TRY_STATUS(text(*in, "sqlstate", batch.sqlstate, Presence::kOptional));
  PGA_TRY_STATUS(text(*in, "detail", batch.detail, Presence::kOptional));
  const auto nothing = [](std::size_t) -> Status { return {}; };
  PGA_TRY_STATUS(each(*in, "missing", kMissingMax, nothing, [&](const json::value& v, std::size_t) -> Status {
    const auto* string = v.if_string();
    if (string == nullptr) return bad("a string is wanted");
    batch.missing.emplace_back(string->data(), string->size());
    return note_text(batch.missing.back());
  }));

  const Schema& schema = frame_.schemas[batch.schema];
  const auto prepare = [&](std::size_t rows) -> Status {
    if (rows == 0) return {};
    if (schema.columns.empty()) return bad(std::to_string(rows) + " rows of a schema without columns");
    cells_ += std::max(rows, kColumnCellsMin) * schema.columns.size();
    if (cells_ > kCellsMax) return exceeds(cells_, "cells", kCellsMax);
    batch.rows = rows;
    batch.columns.resize(schema.columns.size());
    for (Column& column : batch.columns) column.values.resize(rows);
    return {};
  };
  PGA_TRY_STATUS(
      each(*in, "rows", kRowsMax, prepare, [&](const json::value& v, std::size_t row) { return read_row(v, schema, batch, row); }));
  return integer<std::uint64_t>(*in, "rows_seen", batch.rows_seen, batch.rows);
}

Status FrameReader::read_row(const json::value& value, const Schema& schema, Batch& batch, std::size_t row) {
  const auto* cells = value.if_array();
  if (cells == nullptr) return bad("an array is wanted");
  if (cells->size() != schema.columns.size())
    return bad(std::to_string(cells->size()) + " cells for " + std::to_string(schema.columns.size()) + " columns");
  for (std::size_t i = 0; i < cells->size(); ++i) {
    Column& column = batch.columns[i];
    if ((*cells)[i].is_null()) {
      if (column.present.empty()) column.present.assign(batch.rows, 1);
      column.present[row] = 0;
      continue;
    }
    auto cell = read_cell((*cells)[i], schema.columns[i].type);
    if (!cell) {
      const At at(*this, i);
      return bad(cell.error().message);
    }
    column.values[row] = *cell;
  }
  return {};
}

Result<std::int64_t> FrameReader::read_cell(const json::value& value, ColumnType type) {
  switch (type) {
    case ColumnType::kInt:
    case ColumnType::kTime:
      if (const auto number = integer_of<std::int64_t>(value)) return *number;
      return invalid("an integer of 64 bits is wanted");
    case ColumnType::kBool:
      if (const auto* b = value.if_bool()) return *b ? 1 : 0;
      return invalid("true or false is wanted");
    case ColumnType::kString:
      if (const auto* string = value.if_string()) {
        std::uint32_t id = 0;
        PGA_TRY_STATUS(note_text({string->data(), string->size()}, &id));
        return id;
      }
      return invalid("a string is wanted");
    case ColumnType::kDouble:
      if (!value.is_number()) return invalid("a number is wanted");
      return std::bit_cast<std::int64_t>(value.to_number<double>());
  }
  return invalid("a cell of unknown type");
}

Status FrameReader::read_gap(const json::value& value) {
  PGA_TRY(const json::object* const in, object(value, {"first_sequence", "last_sequence", "from_us", "to_us", "bytes", "reason"}));
  Gap& gap = frame_.gaps.emplace_back();
  PGA_TRY_STATUS(integer(*in, "first_sequence", gap.first_sequence));
  PGA_TRY_STATUS(integer(*in, "last_sequence", gap.last_sequence));
  if (gap.first_sequence == 0 || gap.last_sequence < gap.first_sequence) {
    return bad("gap from sequence " + std::to_string(gap.first_sequence) + " to " + std::to_string(gap.last_sequence));
  }
  PGA_TRY_STATUS(integer(*in, "from_us", gap.from_us));
  PGA_TRY_STATUS(integer(*in, "to_us", gap.to_us));
  PGA_TRY_STATUS(integer<std::uint64_t>(*in, "bytes", gap.bytes, 0));
  return text(*in, "reason", gap.reason, Presence::kOptional);
}

}  // namespace

Result<Frame> from_json(std::string_view text) {
  PGA_TRY(const json::value document, parse(text));
  return FrameReader().run(document);
}

}  // namespace pga::wire
