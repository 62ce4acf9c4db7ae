// Reads the sections of one decoded payload into a frame (decode_payload.cc) and the rows of a run of batches (decode_block.cc).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/column_internal.h"
#include "wire/dictionary_internal.h"
#include "wire/frame.h"

namespace pga::wire {

inline Error at_offset(std::size_t offset, std::string message) {
  return corrupt("offset " + std::to_string(offset) + ": " + std::move(message));
}

// Offsets in errors count from the start of the payload. The entries grow; whoever owns them goes back to where they were when
// this fails.
class PayloadDecoder {
 public:
  PayloadDecoder(ByteView payload, DictionaryEntries& entries, Frame& frame) : in_(payload), entries_(entries), frame_(frame) {}
  Status run(bool more_may_follow);

 private:
  // Consecutive batches of one target, schema and database.
  struct Run {
    std::size_t first = 0, last = 0;  // batches [first, last)
    std::size_t rows = 0;
    std::uint32_t target = 0, schema = 0;  // in the dictionary
    std::int64_t database = 0;
  };

  // decode_payload.cc
  Status read_strings(StringTable& into, std::size_t entries_max);
  Status read_numbers();
  Status read_targets();
  Status read_schemas();
  Status read_columns_of(Schema& schema);
  Status read_headers();
  Status read_missing(std::size_t count, Batch& batch);
  Status check_rows(std::size_t batch, std::uint64_t rows, std::size_t schema);
  Status read_gap(Gap& gap);
  Status within(std::size_t at, std::span<const std::int64_t> values, std::size_t size, std::string_view what) const;
  Result<std::string_view> dictionary_text();  // by a varint
  Result<std::string_view> text_of(std::size_t at, std::int64_t reference) const;
  Result<std::uint8_t> small(std::size_t size, std::string_view what);

  // decode_block.cc
  Status read_block(const Run& run);
  Status read_keys(const Schema& schema, KeyTable& table);
  Status read_slots(std::size_t table_rows, std::span<std::int64_t> slots);
  Status read_column(Column& column, ColumnType type, std::span<const Column> before, std::span<const ColumnType> types_before,
                     std::size_t rows);
  Status read_plain_column(std::span<std::int64_t> values);  // without presence, reference or numbers
  Status finish_column(const ColumnSchema& declared, std::size_t at, Column& column);
  Status take_frame_string(std::size_t at, std::int64_t& reference);

  ByteReader in_;
  DictionaryEntries& entries_;
  Frame& frame_;
  StringTable texts_;
  std::size_t cells_ = 0;
  std::vector<std::uint32_t> frame_ids_;       // by id of the dictionary; 0: not used by the frame yet
  std::vector<std::uint32_t> frame_text_ids_;  // by id of the frame's texts
};

}  // namespace pga::wire
