#include <algorithm>
#include <set>

#include "base/check.h"
#include "wire/codec_internal.h"
#include "wire/encode_internal.h"
#include "wire/limits.h"

namespace pga::wire {

std::uint32_t Encoder::Impl::dictionary_string(std::string_view text) {
  StringTable& strings = dictionary->entries.strings;
  if (const auto known = strings.find(text)) return *known;
  std::string replaced;
  return strings.intern(sendable_text(text, replaced));
}

// A text of this frame, or of the dictionary if it is empty.
std::int64_t Encoder::Impl::text_reference(std::string_view text) {
  if (text.empty()) return 0;
  std::string replaced;
  return -static_cast<std::int64_t>(texts.add(sendable_text(text, replaced)));
}

// Only what a batch uses travels, in the order of first use.
Status Encoder::Impl::map_targets_and_schemas() {
  constexpr std::uint32_t kNone = UINT32_MAX;
  if (frame->batches.size() > kBatchesMax) return exceeds("batches", frame->batches.size(), kBatchesMax);
  target_ids.assign(frame->targets.size(), kNone);
  schema_ids.assign(frame->schemas.size(), kNone);
  DictionaryEntries& entries = dictionary->entries;
  for (std::size_t i = 0; i < frame->batches.size(); ++i) {
    const Batch& batch = frame->batches[i];
    if (Status sound = check_batch(batch); !sound) return sound.error().with_context("batches[" + std::to_string(i) + "]");
    if (std::uint32_t& id = target_ids[batch.target]; id == kNone) {
      const auto at = std::find(entries.targets.begin(), entries.targets.end(), frame->targets[batch.target]);
      id = static_cast<std::uint32_t>(at - entries.targets.begin());
      if (at == entries.targets.end()) entries.targets.push_back(frame->targets[batch.target]);
    }
    if (std::uint32_t& id = schema_ids[batch.schema]; id == kNone) {
      const auto at = std::find(entries.schemas.begin(), entries.schemas.end(), frame->schemas[batch.schema]);
      id = static_cast<std::uint32_t>(at - entries.schemas.begin());
      if (at == entries.schemas.end()) entries.schemas.push_back(frame->schemas[batch.schema]);
    }
  }
  if (entries.targets.size() > kTargetsMax) return exceeds("targets", entries.targets.size(), kTargetsMax);
  if (entries.schemas.size() > kSchemasMax) return exceeds("schemas", entries.schemas.size(), kSchemasMax);
  dictionary->references.resize(entries.schemas.size());
  return {};
}

Status Encoder::Impl::check_batch(const Batch& batch) const {
  if (batch.target >= frame->targets.size())
    return invalid("target " + std::to_string(batch.target) + " of " + std::to_string(frame->targets.size()));
  if (batch.schema >= frame->schemas.size())
    return invalid("schema " + std::to_string(batch.schema) + " of " + std::to_string(frame->schemas.size()));
  if (batch.rows > kRowsMax) return exceeds("rows", batch.rows, kRowsMax);
  if (batch.missing.size() > kMissingMax) return exceeds("missing columns", batch.missing.size(), kMissingMax);
  const Schema& schema = frame->schemas[batch.schema];
  const std::size_t columns = batch.rows == 0 ? 0 : schema.columns.size();
  if (batch.columns.size() != columns || (batch.rows > 0 && columns == 0)) {
    return invalid(std::to_string(batch.columns.size()) + " columns for " + std::to_string(batch.rows) + " rows of " + schema.source +
                   ", which has " + std::to_string(schema.columns.size()));
  }
  for (std::size_t i = 0; i < columns; ++i) {
    const Column& column = batch.columns[i];
    if (column.values.size() != batch.rows || (!column.present.empty() && column.present.size() != batch.rows)) {
      return invalid(schema.source + "." + schema.columns[i].name + ": " + std::to_string(column.values.size()) + " values and " +
                     std::to_string(column.present.size()) + " presences for " + std::to_string(batch.rows) + " rows");
    }
  }
  return {};
}

// The batches' headers, column by column, and the names of missing columns.
Status Encoder::Impl::write_headers() {
  const auto& batches = frame->batches;
  body.varint(batches.size());
  if (batches.empty()) return {};
  Cells cells;
  const auto column = [&](auto&& value) {
    cells.own.clear();
    for (const Batch& batch : batches) cells.own.push_back(static_cast<std::int64_t>(value(batch)));
    cells.values = cells.own;
    write_column(cells, nullptr, 0, {});
  };
  column([&](const Batch& b) { return target_ids[b.target]; });
  column([&](const Batch& b) { return schema_ids[b.schema]; });
  column([](const Batch& b) { return b.outcome; });
  column([&](const Batch& b) { return wrapping_difference(b.started_us, frame->sent_us); });
  column([](const Batch& b) { return b.interval_us; });
  column([](const Batch& b) { return b.duration_us; });
  column([](const Batch& b) { return b.rows_seen; });
  column([&](const Batch& b) { return dictionary_string(b.database); });
  column([&](const Batch& b) { return dictionary_string(b.sqlstate); });
  column([&](const Batch& b) { return text_reference(b.detail); });
  column([](const Batch& b) { return b.missing.size(); });
  column([](const Batch& b) { return b.rows; });
  for (const Batch& batch : batches) {
    for (const std::string& name : batch.missing) body.varint(dictionary_string(name));
  }
  std::size_t cells_in_all = 0;
  Run run;
  const auto same_run = [&](const Batch& a, const Batch& b) {
    return target_ids[a.target] == target_ids[b.target] && schema_ids[a.schema] == schema_ids[b.schema] && a.database == b.database;
  };
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch& batch = batches[i];
    if (batch.rows > 0) cells_in_all += std::max(batch.rows, kColumnCellsMin) * batch.columns.size();
    if (cells_in_all > kCellsMax) return exceeds("cells", cells_in_all, kCellsMax);
    run.rows += batch.rows;
    run.last = i + 1;
    if (run.last < batches.size() && same_run(batch, batches[run.last])) continue;
    if (run.rows > 0) {
      if (Status written = write_block(run); !written) return written.error().with_context("batches[" + std::to_string(run.first) + "]");
    }
    run = {run.last, run.last, 0};
  }
  return {};
}

Status Encoder::Impl::write_gaps() {
  if (frame->gaps.size() > kGapsMax) return exceeds("gaps", frame->gaps.size(), kGapsMax);
  body.varint(frame->gaps.size());
  for (const Gap& gap : frame->gaps) {
    if (gap.first_sequence == 0 || gap.last_sequence < gap.first_sequence) {
      return invalid("gap from sequence " + std::to_string(gap.first_sequence) + " to " + std::to_string(gap.last_sequence));
    }
    body.varint(gap.first_sequence);
    body.varint(gap.last_sequence - gap.first_sequence);
    body.signed_varint(wrapping_difference(gap.from_us, frame->sent_us));
    body.signed_varint(wrapping_difference(gap.to_us, gap.from_us));
    body.varint(gap.bytes);
    body.signed_varint(text_reference(gap.reason));
  }
  return {};
}

void Encoder::Impl::write_targets(const DictionaryMark& before, ByteWriter& out) const {
  const DictionaryEntries& entries = dictionary->entries;
  out.varint(entries.targets.size() - before.targets);
  std::string replaced;
  for (std::size_t i = before.targets; i < entries.targets.size(); ++i) {
    const Target& target = entries.targets[i];
    for (const std::string* text : {&target.kind, &target.name, &target.system_identifier, &target.version})
      out.varint(*entries.strings.find(sendable_text(*text, replaced)));
  }
}

void Encoder::Impl::write_schemas(const DictionaryMark& before, ByteWriter& out) const {
  const DictionaryEntries& entries = dictionary->entries;
  out.varint(entries.schemas.size() - before.schemas);
  std::string replaced;
  for (std::size_t i = before.schemas; i < entries.schemas.size(); ++i) {
    const Schema& schema = entries.schemas[i];
    out.varint(*entries.strings.find(sendable_text(schema.source, replaced)));
    out.varint(schema.columns.size());
    for (const ColumnSchema& column : schema.columns) {
      out.varint(*entries.strings.find(sendable_text(column.name, replaced)));
      out.fixed(static_cast<std::uint8_t>(column.kind));
      out.fixed(static_cast<std::uint8_t>(column.type));
    }
  }
}

// Puts the sections together and compresses them.
Result<Bytes> Encoder::Impl::finish(const DictionaryMark& before, std::uint64_t builds_on) {
  DictionaryEntries& entries = dictionary->entries;
  if (entries.entries() > kDictionaryEntriesMax) return exceeds("entries of the dictionary", entries.entries(), kDictionaryEntriesMax);
  if (texts.size() - 1 > kTextsMax) return exceeds("texts", texts.size() - 1, kTextsMax);
  const std::size_t bytes = entries.bytes() + texts.bytes();
  if (bytes > kDictionaryBytesMax) return exceeds("bytes of strings", bytes, kDictionaryBytesMax);

  ByteWriter payload;
  payload.signed_varint(frame->sent_us);
  payload.varint(entries.strings.size() - before.strings);
  for (std::size_t id = before.strings; id < entries.strings.size(); ++id) payload.string(entries.strings.at(id));
  payload.varint(entries.numbers.size() - before.numbers);
  for (std::size_t id = before.numbers; id < entries.numbers.size(); ++id) payload.fixed(entries.numbers[id]);
  write_targets(before, payload);
  write_schemas(before, payload);
  payload.varint(texts.size() - 1);
  for (std::size_t id = 1; id < texts.size(); ++id) payload.string(texts.at(id));
  payload.raw(body.view());
  if (payload.size() > kDecodedBytesMax) return exceeds("bytes of payload", payload.size(), kDecodedBytesMax);

  const std::size_t header = kHeaderBytes + (builds_on != 0 ? kStateBytes : 0);
  Bytes out;
  Codec codec = options.codec;
  if (codec == Codec::kZstd) {
    out.resize(header + ZSTD_compressBound(payload.size()));
    const std::size_t n = ZSTD_compress2(zstd.get(), out.data() + header, out.size() - header, payload.view().data(), payload.size());
    if (ZSTD_isError(n) != 0) return Error{ErrorCode::kInternal, std::string("zstd: ") + ZSTD_getErrorName(n)};
    out.resize(header + n);
    if (n >= payload.size())
      codec = Codec::kNone;
    else if (payload.size() > decoded_bytes_max(n)) {
      return too_large("payload of " + std::to_string(payload.size()) + " bytes in " + std::to_string(n) +
                       " compressed ones exceeds the limit of " + std::to_string(decoded_bytes_max(n)));
    }
  }
  if (codec == Codec::kNone) {
    out.resize(header);
    out.insert(out.end(), payload.view().begin(), payload.view().end());
  }
  if (out.size() > kFrameBytesMax) return exceeds("bytes of frame", out.size(), kFrameBytesMax);
  const std::uint64_t check = write_header(out, {.epoch = frame->epoch,
                                                 .sequence = frame->sequence,
                                                 .codec = codec,
                                                 .decoded_bytes = static_cast<std::uint32_t>(payload.size()),
                                                 .builds_on = builds_on});
  if (builds_on == 0 || before.is_behind(entries)) entries.state = check;
  return out;
}

Result<Bytes> Encoder::Impl::encode() {
  if (dictionary->is_full) dictionary->reset();
  const std::uint64_t builds_on = dictionary->entries.state;
  const DictionaryMark before(dictionary->entries);
  texts.clear();
  body.clear();
  reference.assign(frame->strings.size(), kUnmapped);
  PGA_TRY_STATUS(map_targets_and_schemas());
  // The names of what is new, so that they come first.
  DictionaryEntries& entries = dictionary->entries;
  for (std::size_t i = before.targets; i < entries.targets.size(); ++i) {
    const Target& target = entries.targets[i];
    for (const std::string* text : {&target.kind, &target.name, &target.system_identifier, &target.version}) dictionary_string(*text);
  }
  for (std::size_t i = before.schemas; i < entries.schemas.size(); ++i) {
    const Schema& schema = entries.schemas[i];
    const auto bad = [&](const std::string& what) { return invalid("schema of " + schema.source + ": " + what); };
    if (schema.source.empty()) return bad("the name of the source is empty");
    if (schema.columns.size() > kColumnsMax) return exceeds("columns", schema.columns.size(), kColumnsMax);
    dictionary_string(schema.source);
    std::set<std::uint32_t> names{0};  // the empty one is taken
    for (const ColumnSchema& column : schema.columns) {
      const std::uint32_t name = dictionary_string(column.name);
      if (!names.insert(name).second) return bad(name == 0 ? "a column has no name" : "two columns are called " + column.name);
    }
  }
  PGA_TRY_STATUS(write_headers());
  PGA_TRY_STATUS(write_gaps());
  return finish(before, builds_on);
}

void Encoder::Impl::open_context() {
  if (options.codec != Codec::kZstd) return;
  zstd.reset(ZSTD_createCCtx());
  PGA_CHECK(zstd != nullptr);
  PGA_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_compressionLevel, options.zstd_level)) == 0);
  PGA_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_checksumFlag, 0)) == 0);  // the header has one
}

// What a small frame needs stays for the next one. A large one, such as a collector's first, is rare and leaves megabytes.
void Encoder::Impl::let_go_if_large() {
  if (body.size() <= kScratchBodyKept) return;
  body = {};
  texts = {};
  reference = {};
  alone = {};
  block = {};
  present_values = {};
  difference = {};
  for (auto* scratch : {&slots, &order, &row_of_slot, &added_rows}) *scratch = {};
  open_context();
}

Encoder::Encoder(EncodeOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->open_context();
}

Encoder::~Encoder() = default;

Result<Bytes> Encoder::encode(const Frame& frame) {
  impl_->alone.reset();
  impl_->frame = &frame;
  impl_->dictionary = &impl_->alone.impl();
  impl_->in_stream = false;
  auto bytes = impl_->encode();
  impl_->let_go_if_large();
  return bytes;
}

Result<Bytes> Encoder::encode(const Frame& frame, SenderDictionary& dictionary) {
  impl_->frame = &frame;
  impl_->dictionary = &dictionary.impl();
  impl_->in_stream = true;
  const bool was_fresh = dictionary.state() == 0;
  auto bytes = impl_->encode();
  if (!bytes) {
    dictionary.reset();
    if (!was_fresh && bytes.error().code == ErrorCode::kTooLarge) {
      bytes = impl_->encode();  // it may only have been the dictionary that was too large
      if (!bytes) dictionary.reset();
    }
  }
  impl_->let_go_if_large();
  return bytes;
}

}  // namespace pga::wire
