#include <set>

#include "base/text.h"
#include "wire/codec_internal.h"
#include "wire/decode_internal.h"
#include "wire/limits.h"

namespace pga::wire {

Status PayloadDecoder::run(bool more_may_follow) {
  PGA_TRY(frame_.sent_us, in_.signed_varint());
  PGA_TRY_STATUS(read_strings(entries_.strings, kDictionaryEntriesMax));
  PGA_TRY_STATUS(read_numbers());
  PGA_TRY_STATUS(read_targets());
  PGA_TRY_STATUS(read_schemas());
  PGA_TRY_STATUS(read_strings(texts_, kTextsMax));
  PGA_TRY_STATUS(read_headers());
  PGA_TRY(const std::size_t gaps, in_.count(6, kGapsMax, "gaps"));
  frame_.gaps.resize(gaps);
  for (Gap& gap : frame_.gaps) PGA_TRY_STATUS(read_gap(gap));
  if (in_.left() != 0 && !more_may_follow) return at_offset(in_.at(), std::to_string(in_.left()) + " bytes follow the last gap");
  return {};
}

Result<std::uint8_t> PayloadDecoder::small(std::size_t size, std::string_view what) {
  const std::size_t at = in_.at();
  PGA_TRY(const auto value, in_.fixed<std::uint8_t>());
  if (value >= size) return at_offset(at, std::string(what) + " " + std::to_string(value) + " is not known");
  return value;
}

Result<std::string_view> PayloadDecoder::dictionary_text() {
  const std::size_t at = in_.at();
  PGA_TRY(const std::uint64_t id, in_.varint());
  if (id >= entries_.strings.size())
    return at_offset(at, "string " + std::to_string(id) + " of " + std::to_string(entries_.strings.size()));
  return entries_.strings.at(static_cast<std::size_t>(id));
}

Result<std::string_view> PayloadDecoder::text_of(std::size_t at, std::int64_t reference) const {
  if (reference >= 0) {
    if (static_cast<std::size_t>(reference) >= entries_.strings.size())
      return at_offset(at, "string " + std::to_string(reference) + " of " + std::to_string(entries_.strings.size()));
    return entries_.strings.at(static_cast<std::size_t>(reference));
  }
  const std::uint64_t id = 0 - static_cast<std::uint64_t>(reference);
  if (id >= texts_.size()) return at_offset(at, "text " + std::to_string(id) + " of " + std::to_string(texts_.size() - 1));
  return texts_.at(static_cast<std::size_t>(id));
}

Status PayloadDecoder::read_strings(StringTable& into, std::size_t entries_max) {
  const std::size_t count_at = in_.at();
  PGA_TRY(const std::size_t listed, in_.count(2, entries_max, "strings"));
  if (&into == &entries_.strings && entries_.entries() + listed > kDictionaryEntriesMax)
    return too_large("offset " + std::to_string(count_at) + ": " + std::to_string(entries_.entries() + listed) +
                     " entries of the dictionary exceed the limit of " + std::to_string(kDictionaryEntriesMax));
  for (std::size_t i = 1; i <= listed; ++i) {
    const std::size_t at = in_.at();
    PGA_TRY(const std::string_view string, in_.string(kStringBytesMax));
    if (string.empty()) return at_offset(at, "string " + std::to_string(i) + " is empty");
    if (!is_utf8(string)) return at_offset(at, "string " + std::to_string(i) + " is not UTF-8");
    if (entries_.bytes() + texts_.bytes() + string.size() > kDictionaryBytesMax) {
      return too_large("offset " + std::to_string(at) + ": the strings exceed the limit of " + std::to_string(kDictionaryBytesMax) +
                       " bytes");
    }
    into.add(string);
  }
  return {};
}

Status PayloadDecoder::read_numbers() {
  const std::size_t at = in_.at();
  PGA_TRY(const std::size_t listed, in_.count(8, kDictionaryEntriesMax - entries_.entries(), "numbers"));
  if (entries_.bytes() + 8 * listed > kDictionaryBytesMax)
    return too_large("offset " + std::to_string(at) + ": the numbers exceed the limit of " + std::to_string(kDictionaryBytesMax) +
                     " bytes");
  PGA_TRY(const ByteView bytes, in_.raw(8 * listed));
  const std::size_t before = entries_.numbers.size();
  entries_.numbers.resize(before + listed);
  if (listed > 0) std::memcpy(entries_.numbers.data() + before, bytes.data(), bytes.size());
  return {};
}

Status PayloadDecoder::read_targets() {
  PGA_TRY(const std::size_t targets, in_.count(4, kTargetsMax - entries_.targets.size(), "targets"));
  for (std::size_t i = 0; i < targets; ++i) {
    Target& target = entries_.targets.emplace_back();
    for (std::string* field : {&target.kind, &target.name, &target.system_identifier, &target.version}) {
      PGA_TRY(const std::string_view text, dictionary_text());
      *field = text;
    }
  }
  return {};
}

Status PayloadDecoder::read_schemas() {
  PGA_TRY(const std::size_t schemas, in_.count(2, kSchemasMax - entries_.schemas.size(), "schemas"));
  for (std::size_t i = 0; i < schemas; ++i) {
    Schema& schema = entries_.schemas.emplace_back();
    const std::size_t at = in_.at();
    PGA_TRY(schema.source, dictionary_text());
    if (schema.source.empty()) return at_offset(at, "the name of the source is empty");
    if (auto read = read_columns_of(schema); !read) return read.error().with_context("schema of " + schema.source);
  }
  return {};
}

Status PayloadDecoder::read_columns_of(Schema& schema) {
  PGA_TRY(const std::size_t columns, in_.count(3, kColumnsMax, "columns"));
  schema.columns.resize(columns);
  std::set<std::string_view> names;
  for (ColumnSchema& column : schema.columns) {
    const std::size_t at = in_.at();
    PGA_TRY(const std::string_view name, dictionary_text());
    column.name = name;
    if (name.empty()) return at_offset(at, "a column has no name");
    if (!names.insert(name).second) return at_offset(at, "two columns are called " + column.name);
    PGA_TRY(const auto kind, small(kKindCount, "kind"));
    column.kind = static_cast<ColumnKind>(kind);
    PGA_TRY(const auto type, small(kTypeCount, "type"));
    column.type = static_cast<ColumnType>(type);
  }
  return {};
}

Status PayloadDecoder::within(std::size_t at, std::span<const std::int64_t> values, std::size_t size, std::string_view what) const {
  for (const std::int64_t value : values) {
    if (static_cast<std::uint64_t>(value) >= size)
      return at_offset(at, std::string(what) + " " + std::to_string(value) + " of " + std::to_string(size));
  }
  return {};
}

// The frame's cells are counted before any is allocated.
Status PayloadDecoder::check_rows(std::size_t batch, std::uint64_t rows, std::size_t schema) {
  const std::string which = "batches[" + std::to_string(batch) + "]: ";
  if (rows > kRowsMax) return too_large(which + std::to_string(rows) + " rows exceed the limit of " + std::to_string(kRowsMax));
  if (rows == 0) return {};
  const std::size_t columns = entries_.schemas[schema].columns.size();
  if (columns == 0) return corrupt(which + std::to_string(rows) + " rows of a schema without columns");
  cells_ += std::max<std::size_t>(static_cast<std::size_t>(rows), kColumnCellsMin) * columns;
  if (cells_ > kCellsMax) return too_large(which + std::to_string(cells_) + " cells exceed the limit of " + std::to_string(kCellsMax));
  return {};
}

Status PayloadDecoder::read_missing(std::size_t count, Batch& batch) {
  if (count > in_.left())
    return at_offset(in_.at(), std::to_string(count) + " missing columns cannot be in the " + std::to_string(in_.left()) + " bytes left");
  batch.missing.resize(count);
  for (std::string& name : batch.missing) {
    PGA_TRY(const std::string_view text, dictionary_text());
    name = text;
  }
  return {};
}

Status PayloadDecoder::read_headers() {
  PGA_TRY(const std::size_t count, in_.count(0, kBatchesMax, "batches"));
  if (count == 0) return {};
  if (in_.left() < 12) return at_offset(in_.at(), "the headers of " + std::to_string(count) + " batches are cut short");
  enum Field : std::size_t {
    kTarget,
    kSchema,
    kOutcome,
    kStarted,
    kInterval,
    kDuration,
    kSeen,
    kDatabase,
    kSqlstate,
    kDetail,
    kMissing,
    kRows,
    kFields
  };
  std::vector<std::int64_t> cells(kFields * count);
  std::size_t at[kFields] = {};
  const auto field = [&](Field f) { return std::span(cells).subspan(f * count, count); };
  for (std::size_t f = 0; f < kFields; ++f) {
    at[f] = in_.at();
    PGA_TRY_STATUS(read_plain_column(std::span(cells).subspan(f * count, count)));
  }
  PGA_TRY_STATUS(within(at[kTarget], field(kTarget), entries_.targets.size(), "target"));
  PGA_TRY_STATUS(within(at[kSchema], field(kSchema), entries_.schemas.size(), "schema"));
  PGA_TRY_STATUS(within(at[kOutcome], field(kOutcome), kOutcomeCount, "outcome"));
  PGA_TRY_STATUS(within(at[kDatabase], field(kDatabase), entries_.strings.size(), "string"));
  PGA_TRY_STATUS(within(at[kSqlstate], field(kSqlstate), entries_.strings.size(), "string"));
  PGA_TRY_STATUS(within(at[kMissing], field(kMissing), kMissingMax + 1, "missing columns"));

  constexpr std::uint32_t kNone = UINT32_MAX;
  std::vector<std::uint32_t> targets(entries_.targets.size(), kNone), schemas(entries_.schemas.size(), kNone);
  frame_.batches.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    Batch& batch = frame_.batches[i];
    const auto target = static_cast<std::size_t>(field(kTarget)[i]), schema = static_cast<std::size_t>(field(kSchema)[i]);
    PGA_TRY_STATUS(check_rows(i, static_cast<std::uint64_t>(field(kRows)[i]), schema));
    if (targets[target] == kNone) {
      targets[target] = static_cast<std::uint32_t>(frame_.targets.size());
      frame_.targets.push_back(entries_.targets[target]);
    }
    if (schemas[schema] == kNone) {
      schemas[schema] = static_cast<std::uint32_t>(frame_.schemas.size());
      frame_.schemas.push_back(entries_.schemas[schema]);
    }
    batch.target = targets[target];
    batch.schema = schemas[schema];
    batch.outcome = static_cast<Outcome>(field(kOutcome)[i]);
    batch.started_us = wrapping_sum(field(kStarted)[i], frame_.sent_us);
    batch.interval_us = field(kInterval)[i];
    batch.duration_us = static_cast<std::uint64_t>(field(kDuration)[i]);
    batch.rows_seen = static_cast<std::uint64_t>(field(kSeen)[i]);
    batch.rows = static_cast<std::size_t>(field(kRows)[i]);
    batch.database = entries_.strings.at(static_cast<std::size_t>(field(kDatabase)[i]));
    batch.sqlstate = entries_.strings.at(static_cast<std::size_t>(field(kSqlstate)[i]));
    PGA_TRY(batch.detail, text_of(at[kDetail], field(kDetail)[i]));
    PGA_TRY_STATUS(read_missing(static_cast<std::size_t>(field(kMissing)[i]), batch));
  }
  Run run;
  for (std::size_t i = 0; i < count; ++i) {
    run.rows += frame_.batches[i].rows;
    run.last = i + 1;
    const auto same = [&](Field f) { return field(f)[i] == field(f)[i + 1]; };
    if (run.last < count && same(kTarget) && same(kSchema) && same(kDatabase)) continue;
    run.target = static_cast<std::uint32_t>(field(kTarget)[i]);
    run.schema = static_cast<std::uint32_t>(field(kSchema)[i]);
    run.database = field(kDatabase)[i];
    if (run.rows > 0) {
      if (auto read = read_block(run); !read)
        return read.error().with_context("batches[" + std::to_string(run.first) + "]: " + entries_.schemas[run.schema].source);
    }
    run = {run.last, run.last, 0, 0, 0, 0};
  }
  return {};
}

Status PayloadDecoder::read_gap(Gap& gap) {
  const std::size_t at = in_.at();
  PGA_TRY(gap.first_sequence, in_.varint());
  PGA_TRY(const std::uint64_t more, in_.varint());
  gap.last_sequence = gap.first_sequence + more;
  if (gap.first_sequence == 0 || gap.last_sequence < gap.first_sequence) {
    return at_offset(at, "gap of " + std::to_string(more) + " sequences after " + std::to_string(gap.first_sequence));
  }
  PGA_TRY(const std::int64_t from, in_.signed_varint());
  gap.from_us = wrapping_sum(from, frame_.sent_us);
  PGA_TRY(const std::int64_t to, in_.signed_varint());
  gap.to_us = wrapping_sum(gap.from_us, to);
  PGA_TRY(gap.bytes, in_.varint());
  const std::size_t reason_at = in_.at();
  PGA_TRY(const std::int64_t reason, in_.signed_varint());
  PGA_TRY(gap.reason, text_of(reason_at, reason));
  return {};
}

}  // namespace pga::wire
