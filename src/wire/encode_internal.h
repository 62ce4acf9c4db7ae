// The parts of Encoder: sections of a frame (encode.cc) and the rows of a run of batches (encode_block.cc).
#pragma once

#include <zstd.h>

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "wire/codec.h"
#include "wire/column_internal.h"
#include "wire/dictionary_internal.h"

namespace pga::wire {

inline Error exceeds(std::string_view what, std::size_t value, std::size_t limit) {
  return too_large(std::to_string(value) + " " + std::string(what) + " exceed the limit of " + std::to_string(limit));
}

struct Encoder::Impl {
  using Dictionary = SenderDictionary::Impl;
  static constexpr std::int64_t kUnmapped = std::numeric_limits<std::int64_t>::min();

  struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };

  // The rows of one column of a block, in the order in which they are written.
  struct Cells {
    std::span<const std::int64_t> values;  // of the batch itself where it can be written as it is; 0 where null
    std::vector<std::int64_t> own;
    std::vector<std::uint8_t> present;  // empty: all
  };
  struct Trials {
    bool delta = true;     // the differences from row to row
    bool numbers = false;  // ids of the dictionary's numbers
  };
  // Consecutive batches of one target, schema and database.
  struct Run {
    std::size_t first = 0, last = 0;  // batches [first, last)
    std::size_t rows = 0;
  };

  EncodeOptions options;
  std::unique_ptr<ZSTD_CCtx, FreeContext> zstd;
  SenderDictionary alone;  // of a frame that stands alone
  // Of the frame being written:
  const Frame* frame = nullptr;
  Dictionary* dictionary = nullptr;
  bool in_stream = false;
  StringTable texts;                    // of this frame only
  std::vector<std::int64_t> reference;  // id in frame->strings -> string reference, kUnmapped
  std::vector<std::uint32_t> target_ids, schema_ids;
  ByteWriter body;  // the sections behind the dictionary's
  // Scratch of one block:
  std::vector<Cells> block;
  std::vector<std::int64_t> present_values, difference;
  std::vector<std::uint32_t> slots, order, row_of_slot, added_rows;

  // encode.cc
  void open_context();
  void let_go_if_large();
  Result<Bytes> encode();
  Status map_targets_and_schemas();
  Status check_batch(const Batch& batch) const;
  Status write_headers();
  Status write_gaps();
  void write_targets(const DictionaryMark& before, ByteWriter& out) const;
  void write_schemas(const DictionaryMark& before, ByteWriter& out) const;
  Result<Bytes> finish(const DictionaryMark& before, std::uint64_t builds_on);
  std::uint32_t dictionary_string(std::string_view text);
  std::int64_t text_reference(std::string_view text);

  // encode_block.cc
  Status write_block(const Run& run);
  Status gather(const Run& run, std::size_t column, bool ordered, Cells& out);
  Status to_wire(const Batch& batch, std::size_t column, std::size_t at, bool& nulls, Cells& out);
  std::int64_t cell_reference(std::size_t id, ColumnKind kind);
  bool find_slots(const Run& run, const std::vector<std::size_t>& keys, KeyTable*& table);
  bool sort_by_slot(const Run& run, std::size_t table_rows);
  void write_slots(std::span<const std::uint32_t> slots_of_batch, std::size_t table_rows);
  void write_keys(const Schema& schema, const std::vector<std::size_t>& keys);
  void write_column(const Cells& cells, const Cells* base, std::uint8_t distance, Trials trials);
  bool write_numbers(std::span<const std::int64_t> cells, std::size_t plain_bytes);
  const Dictionary::References& references(std::uint32_t schema_id, const Schema& schema, const std::vector<std::size_t>& columns,
                                           std::size_t rows);
};

}  // namespace pga::wire
