#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "wire/codec_internal.h"
#include "wire/json_names_internal.h"
#include "wire/json_twin.h"
#include "wire/limits.h"

namespace pga::wire {
namespace {

constexpr std::int64_t kExactMax = std::int64_t{1} << 53;  // beyond, a reader with doubles would round

class Writer {
 public:
  explicit Writer(bool pretty) : pretty_(pretty) {}

  // `apart`: members or elements each on a line of their own when pretty.
  void open(char bracket, bool apart) {
    out_ += bracket;
    levels_.push_back({bracket == '{' ? '}' : ']', apart, true});
  }
  void close() {
    const Level level = levels_.back();
    levels_.pop_back();
    if (level.apart && !level.empty) line();
    out_ += level.bracket;
  }
  void element() {
    Level& level = levels_.back();
    if (!level.empty) out_ += level.apart || !pretty_ ? "," : ", ";
    level.empty = false;
    if (level.apart) line();
  }
  void key(std::string_view name) {
    element();
    text(name);
    out_ += pretty_ ? ": " : ":";
  }

  void raw(std::string_view text) { out_ += text; }
  void text(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out_ += '"';
    for (const char c : text) {
      switch (c) {
        case '"':
          out_ += "\\\"";
          break;
        case '\\':
          out_ += "\\\\";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        default:
          if (static_cast<unsigned char>(c) >= 0x20) {
            out_ += c;
          } else {
            out_ += "\\u00";
            out_ += kHex[static_cast<unsigned char>(c) >> 4];
            out_ += kHex[c & 15];
          }
      }
    }
    out_ += '"';
  }
  template <class T>
  void integer(T value) {
    char digits[24];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
    const bool exact = std::cmp_less_equal(value, kExactMax) && std::cmp_greater_equal(value, -kExactMax);
    if (!exact) out_ += '"';
    out_.append(digits, end);
    if (!exact) out_ += '"';
  }
  void real(double value) {
    char digits[40];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
    const std::string_view shortest(digits, static_cast<std::size_t>(end - digits));
    out_ += shortest;
    if (shortest.find_first_of(".e") == std::string_view::npos) out_ += ".0";  // so that -0 stays what it is
  }

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  struct Level {
    char bracket;
    bool apart;
    bool empty;
  };
  void line() {
    if (!pretty_) return;
    out_ += '\n';
    out_.append(2 * levels_.size(), ' ');
  }

  const bool pretty_;
  std::string out_;
  std::vector<Level> levels_;
};

class FrameWriter {
 public:
  FrameWriter(const Frame& frame, bool pretty) : frame_(frame), out_(pretty) {}
  Result<std::string> run();

 private:
  void text(std::string_view name, std::string_view value) {
    out_.key(name);
    out_.text(sendable_text(value, replaced_));
  }
  void text_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) text(name, value);
  }
  template <class T>
  void integer(std::string_view name, T value) {
    out_.key(name);
    out_.integer(value);
  }
  void write_targets();
  void write_schemas();
  void write_gaps();
  Status write_batch(const Batch& batch);
  Status write_rows(const Batch& batch, const Schema& schema);
  Status write_cell(const Column& column, ColumnType type, std::size_t row);

  const Frame& frame_;
  Writer out_;
  std::string replaced_;
};

Result<std::string> FrameWriter::run() {
  out_.open('{', true);
  integer("version", 1);
  integer("epoch", frame_.epoch);
  integer("sequence", frame_.sequence);
  integer("sent_us", frame_.sent_us);
  write_targets();
  write_schemas();
  out_.key("batches");
  out_.open('[', true);
  for (std::size_t i = 0; i < frame_.batches.size(); ++i) {
    out_.element();
    if (auto written = write_batch(frame_.batches[i]); !written) return written.error().with_context("batches[" + std::to_string(i) + "]");
  }
  out_.close();
  write_gaps();
  out_.close();
  if (out_.size() > kJsonBytesMax)
    return too_large("frame of " + std::to_string(out_.size()) + " bytes of JSON exceeds the limit of " + std::to_string(kJsonBytesMax));
  return out_.take();
}

void FrameWriter::write_targets() {
  out_.key("targets");
  out_.open('[', true);
  for (const Target& target : frame_.targets) {
    out_.element();
    out_.open('{', false);
    text("kind", target.kind);
    text("name", target.name);
    text_unless_empty("system_identifier", target.system_identifier);
    text_unless_empty("version", target.version);
    out_.close();
  }
  out_.close();
}

void FrameWriter::write_schemas() {
  out_.key("schemas");
  out_.open('[', true);
  for (const Schema& schema : frame_.schemas) {
    out_.element();
    out_.open('{', true);
    text("source", schema.source);
    out_.key("columns");
    out_.open('[', true);
    for (const ColumnSchema& column : schema.columns) {
      out_.element();
      out_.open('{', false);
      text("name", column.name);
      text("kind", kKindNames.at(static_cast<std::size_t>(column.kind)));
      text("type", kTypeNames.at(static_cast<std::size_t>(column.type)));
      out_.close();
    }
    out_.close();
    out_.close();
  }
  out_.close();
}

void FrameWriter::write_gaps() {
  if (frame_.gaps.empty()) return;
  out_.key("gaps");
  out_.open('[', true);
  for (const Gap& gap : frame_.gaps) {
    out_.element();
    out_.open('{', false);
    integer("first_sequence", gap.first_sequence);
    integer("last_sequence", gap.last_sequence);
    integer("from_us", gap.from_us);
    integer("to_us", gap.to_us);
    integer("bytes", gap.bytes);
    text_unless_empty("reason", gap.reason);
    out_.close();
  }
  out_.close();
}

Status FrameWriter::write_batch(const Batch& batch) {
  if (batch.target >= frame_.targets.size())
    return invalid("target " + std::to_string(batch.target) + " of " + std::to_string(frame_.targets.size()));
  if (batch.schema >= frame_.schemas.size())
    return invalid("schema " + std::to_string(batch.schema) + " of " + std::to_string(frame_.schemas.size()));
  out_.open('{', true);
  integer("target", batch.target);
  integer("schema", batch.schema);
  text("outcome", to_string(batch.outcome));
  integer("started_us", batch.started_us);
  integer("interval_us", batch.interval_us);
  integer("duration_us", batch.duration_us);
  integer("rows_seen", batch.rows_seen);
  text_unless_empty("database", batch.database);
  text_unless_empty("sqlstate", batch.sqlstate);
  text_unless_empty("detail", batch.detail);
  if (!batch.missing.empty()) {
    out_.key("missing");
    out_.open('[', false);
    for (const std::string& name : batch.missing) {
      out_.element();
      out_.text(sendable_text(name, replaced_));
    }
    out_.close();
  }
  if (batch.rows > 0) PGA_TRY_STATUS(write_rows(batch, frame_.schemas[batch.schema]));
  out_.close();
  return {};
}

Status FrameWriter::write_rows(const Batch& batch, const Schema& schema) {
  if (batch.columns.size() != schema.columns.size() || batch.columns.empty()) {
    return invalid(std::to_string(batch.columns.size()) + " columns of " + schema.source + ", which has " +
                   std::to_string(schema.columns.size()));
  }
  for (const Column& column : batch.columns) {
    if (column.values.size() != batch.rows || (!column.present.empty() && column.present.size() != batch.rows)) {
      return invalid(std::to_string(column.values.size()) + " values and " + std::to_string(column.present.size()) + " presences for " +
                     std::to_string(batch.rows) + " rows");
    }
  }
  out_.key("rows");
  out_.open('[', true);
  for (std::size_t row = 0; row < batch.rows; ++row) {
    out_.element();
    out_.open('[', false);
    for (std::size_t i = 0; i < batch.columns.size(); ++i) {
      out_.element();
      if (auto cell = write_cell(batch.columns[i], schema.columns[i].type, row); !cell)
        return cell.error().with_context(schema.source + "." + schema.columns[i].name);
    }
    out_.close();
  }
  out_.close();
  return {};
}

Status FrameWriter::write_cell(const Column& column, ColumnType type, std::size_t row) {
  const std::int64_t value = column.values[row];
  if (column.is_null(row)) {
    out_.raw("null");
    return {};
  }
  switch (type) {
    case ColumnType::kInt:
    case ColumnType::kTime:
      out_.integer(value);
      return {};
    case ColumnType::kBool:
      if (value != 0 && value != 1) return invalid("bool of value " + std::to_string(value));
      out_.raw(value != 0 ? "true" : "false");
      return {};
    case ColumnType::kString:
      if (static_cast<std::uint64_t>(value) >= frame_.strings.size())
        return invalid("string " + std::to_string(value) + " of " + std::to_string(frame_.strings.size()));
      out_.text(sendable_text(frame_.strings.at(static_cast<std::size_t>(value)), replaced_));
      return {};
    case ColumnType::kDouble: {
      const auto real = std::bit_cast<double>(value);
      if (std::isfinite(real)) {
        out_.real(real);
      } else {
        out_.raw("null");
      }
      return {};
    }
  }
  return {};
}

}  // namespace

Result<std::string> to_json(const Frame& frame, bool pretty) { return FrameWriter(frame, pretty).run(); }

}  // namespace pga::wire
