// The vectors of testdata: hex with its meaning, beside each valid one the same frame as JSON. They are made by this test with
// PGA_WRITE_VECTORS=1 and compared without; seeds of the fuzz targets are made from them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>

#include "base/files.h"
#include "base/text.h"
#include "wire/codec_internal.h"
#include "wire/json_twin.h"
#include "wire/test_frames.h"

namespace pga::wire {
namespace {

namespace fs = std::filesystem;

const fs::path kDirectory = fs::path(PGA_SOURCE_DIR) / "src/wire/testdata";

bool writing() { return std::getenv("PGA_WRITE_VECTORS") != nullptr; }

std::string must_read(const fs::path& path) {
  auto text = read_file(path, 16 << 20);
  if (!text) FAIL(text.error().message);
  return std::move(*text);
}

// Hex digits; blanks, and everything from '#' to the end of the line, do not count.
Bytes parse_hex(std::string_view text) {
  Bytes out;
  int high = -1;
  bool comment = false;
  for (const char c : text) {
    if (c == '\n') comment = false;
    if (c == '#') comment = true;
    if (comment || c == ' ' || c == '\n') continue;
    const auto digit = std::string_view("0123456789abcdef").find(c);
    REQUIRE(digit != std::string_view::npos);
    if (high >= 0) out.push_back(static_cast<std::byte>(high * 16 + static_cast<int>(digit)));
    high = high >= 0 ? -1 : static_cast<int>(digit);
  }
  REQUIRE(high == -1);
  return out;
}

std::string to_hex_lines(ByteView bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 32)
    out += to_hex(bytes.subspan(at, std::min<std::size_t>(32, bytes.size() - at))) + '\n';
  return out;
}

Frame one_column(ColumnType type, std::vector<std::int64_t> values, std::vector<std::uint8_t> present = {}) {
  Frame frame;
  frame.epoch = 1;
  frame.sequence = 1;
  frame.targets = {{"host", "db1", "", ""}};
  frame.schemas = {{"test.column", {{"value", ColumnKind::kGauge, type}}}};
  Batch batch;
  batch.rows = values.size();
  batch.rows_seen = values.size();
  batch.columns = {{std::move(values), std::move(present)}};
  frame.batches = {batch};
  return frame;
}

Frame failed_readings() {
  Frame frame = example_frame();
  frame.gaps.clear();
  frame.schemas = {{"postgres.tables", {}}, {"postgres.wal", {}}};
  frame.batches.clear();
  for (std::uint32_t i = 0; i < 8; ++i) {
    Batch batch;
    batch.schema = i % 2;
    batch.started_us = frame.sent_us - 1000 * static_cast<std::int64_t>(i);
    batch.outcome = static_cast<Outcome>(i);
    frame.batches.push_back(batch);
  }
  frame.batches[3].sqlstate = "42501";
  frame.batches[3].detail = "permission denied for view pg_stat_wal";
  return frame;
}

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

struct Valid {
  const char* name;
  const char* meaning;
  Codec codec;
  Frame frame;
};

std::vector<Valid> valid_vectors() {
  Frame empty;
  empty.epoch = 7;
  empty.sequence = 1;
  std::vector<std::int64_t> many(500);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::int64_t>(i * i % 1009);
  return {
      {"example", "the example of docs/wire.md", Codec::kNone, example_frame()},
      {"example-zstd", "the same, compressed", Codec::kZstd, example_frame()},
      {"empty", "no target, no schema, no batch", Codec::kNone, empty},
      {"failed-readings", "a reading of every outcome, without rows, of schemas without columns", Codec::kNone, failed_readings()},
      {"encoding-all-null", "encoding 0", Codec::kNone, one_column(ColumnType::kInt, {0, 0, 0}, {0, 0, 0})},
      {"encoding-constant", "encoding 1 with presence", Codec::kNone, one_column(ColumnType::kInt, {-5, 0, -5}, {1, 0, 1})},
      {"encoding-plain", "encoding 2", Codec::kNone, one_column(ColumnType::kInt, {1, -2, 300, -70'000})},
      {"encoding-delta", "encoding 3 with presence", Codec::kNone,
       one_column(ColumnType::kTime, {1'763'927'436'000'000, 0, 1'763'927'436'000'010, 1'763'927'436'000'011}, {1, 0, 1, 1})},
      {"encoding-sparse", "encoding 4", Codec::kNone, one_column(ColumnType::kInt, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1'000, 0})},
      {"encoding-bytes", "encoding 6: numbers that need most of their bits", Codec::kNone,
       one_column(ColumnType::kInt, {0x0102030405060708, -0x0102030405060708, 0x7fffffffffffff00, 0x00ffffffffffffff})},
      {"edges-int", "the edges of 64 bits; differences wrap around", Codec::kNone,
       one_column(ColumnType::kInt, {kMin, kMax, kMin, kMax, -1, 0})},
      {"bool", "0 and 1", Codec::kNone, one_column(ColumnType::kBool, {0, 1, 1, 0, 0})},
      {"double", "0.1, -0.0, the largest and the smallest", Codec::kNone,
       one_column(ColumnType::kDouble, {std::bit_cast<std::int64_t>(0.1), std::bit_cast<std::int64_t>(-0.0),
                                        std::bit_cast<std::int64_t>(1.7976931348623157e308), std::bit_cast<std::int64_t>(5e-324)})},
      {"many-zstd", "500 rows, compressed", Codec::kZstd, one_column(ColumnType::kInt, many)},
  };
}

TEST_CASE("the vectors decode to their JSON, and where nothing is compressed the JSON encodes to the vector") {
  for (const Valid& v : valid_vectors()) {
    CAPTURE(v.name);
    const fs::path hex = kDirectory / (std::string(v.name) + ".hex");
    const fs::path json = kDirectory / (std::string(v.name) + ".json");
    if (writing()) {
      REQUIRE(write_file_atomic(hex, "# " + std::string(v.meaning) + "\n" + to_hex_lines(*Encoder({v.codec, 3}).encode(v.frame)), 0644));
      REQUIRE(write_file_atomic(json, *to_json(v.frame, true) + "\n", 0644));
    }
    const Bytes bytes = parse_hex(must_read(hex));
    const auto frame = Decoder().decode(bytes);
    if (!frame) FAIL(frame.error().message);
    CHECK(same_content(*frame, v.frame));
    const auto twin = from_json(must_read(json));
    if (!twin) FAIL(twin.error().message);
    CHECK(same_content(*twin, v.frame));
    if (v.codec == Codec::kNone) CHECK(*Encoder({Codec::kNone, 0}).encode(*twin) == bytes);
    CHECK(*to_json(*frame, true) + "\n" == must_read(json));
  }
}

// One stream: the first frame stands alone, the others build on what came before. Each shows something that only a stream has.
std::vector<Frame> stream_frames() {
  std::vector<Frame> frames;
  const auto frame = [&]() -> Frame& {
    Frame& f = frames.emplace_back();
    f.epoch = 0x5354524541'4d;
    f.sequence = frames.size();
    f.sent_us = 1'763'927'436'500'000 + 5'000'000 * static_cast<std::int64_t>(frames.size());
    f.targets = {{"postgres", "shop", "7561234567890123456", "18.4"}};
    f.schemas = {{"postgres.statements",
                  {{"queryid", ColumnKind::kKey, ColumnType::kInt},
                   {"datname", ColumnKind::kKey, ColumnType::kString},
                   {"calls", ColumnKind::kCounter, ColumnType::kInt},
                   {"rows", ColumnKind::kCounter, ColumnType::kInt}}},
                 {"postgres.activity",
                  {{"state", ColumnKind::kKey, ColumnType::kString},
                   {"query_id", ColumnKind::kGauge, ColumnType::kInt},
                   {"xact_start", ColumnKind::kTime, ColumnType::kTime},
                   {"query_start", ColumnKind::kTime, ColumnType::kTime}}}};
    return f;
  };
  const auto query_id = [](std::int64_t i) { return static_cast<std::int64_t>(0x9e3779b97f4a7c15 * static_cast<std::uint64_t>(i + 1)); };
  const auto statements = [&](Frame& f, std::vector<std::int64_t> which) {
    Batch batch;
    batch.started_us = f.sent_us - 90'000;
    batch.interval_us = 5'000'000;
    batch.rows_seen = 40;
    batch.rows = which.size();
    batch.columns.resize(4);
    for (const std::int64_t i : which) {
      batch.columns[0].values.push_back(query_id(i));
      batch.columns[1].values.push_back(f.strings.intern(i % 2 == 0 ? "shop" : "audit"));
      batch.columns[2].values.push_back(100 + i * 37 % 90);
      batch.columns[3].values.push_back(100 + i * 37 % 90 + (i % 5 == 0 ? 1 : 0));
    }
    f.batches.push_back(std::move(batch));
  };
  const auto activity = [&](Frame& f, std::int64_t second, std::size_t sessions) {
    Batch batch;
    batch.schema = 1;
    batch.started_us = f.sent_us - 5'000'000 + second * 1'000'000;
    batch.rows_seen = batch.rows = sessions;
    if (sessions > 0) batch.columns.resize(4);
    for (std::size_t i = 0; i < sessions; ++i) {
      const auto began = f.sent_us - 7'000'000 - 11 * static_cast<std::int64_t>(i);
      batch.columns[0].values.push_back(f.strings.intern(i % 3 == 0 ? "idle in transaction" : "active"));
      batch.columns[1].values.push_back(query_id(static_cast<std::int64_t>(i)));
      batch.columns[2].values.push_back(began);
      batch.columns[3].values.push_back(began);
    }
    f.batches.push_back(std::move(batch));
  };
  std::vector<std::int64_t> all(30);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  statements(frame(), all);                            // every key is new
  statements(frame(), all);                            // every key of the table; a column against another
  statements(frame(), {3, 29, 4, 5, 6, 7, 8, 9, 10});  // some keys, in another order
  Frame& grown = frame();                              // a new key, and one reading of sessions in two batches, the same state twice
  statements(grown, {0, 31});
  activity(grown, 0, 5);
  activity(grown, 1, 0);
  activity(grown, 2, 4);
  frame();  // nothing at all
  return frames;
}

TEST_CASE("the vectors of a stream decode to their JSON one after the other, and only so") {
  const std::vector<Frame> frames = stream_frames();
  Encoder encoder({Codec::kNone, 0});
  SenderDictionary sender;
  ReceiverDictionary receiver;
  for (const Frame& frame : frames) {
    CAPTURE(frame.sequence);
    const std::string name = "stream-" + std::to_string(frame.sequence);
    const fs::path hex = kDirectory / (name + ".hex"), json = kDirectory / (name + ".json");
    const auto encoded = encoder.encode(frame, sender);
    if (!encoded) FAIL(encoded.error().message);
    const auto decoded = Decoder().decode(*encoded, receiver);
    if (!decoded) FAIL(decoded.error().message);
    CHECK(same_content(*decoded, frame));
    CHECK(receiver.state() == sender.state());
    if (writing()) {
      REQUIRE(write_file_atomic(hex, "# frame " + std::to_string(frame.sequence) + " of one stream\n" + to_hex_lines(*encoded), 0644));
      REQUIRE(write_file_atomic(json, *to_json(*decoded, true) + "\n", 0644));
    }
    CHECK(parse_hex(must_read(hex)) == *encoded);
    CHECK(*to_json(*decoded, true) + "\n" == must_read(json));
    const auto alone = Decoder().decode(*encoded);
    CHECK(alone.has_value() == (frame.sequence == 1));
    if (!alone) CHECK((alone.error().code == ErrorCode::kNotFound));
  }
}

TEST_CASE("the example of docs/wire.md is the vector of that name") {
  const std::string page = must_read(fs::path(PGA_SOURCE_DIR) / "docs/wire.md");
  const auto block = [&](std::string_view fence) {
    const auto start = page.find(fence);
    REQUIRE(start != std::string::npos);
    const auto body = start + fence.size();
    return page.substr(body, page.find("```", body) - body);
  };
  CHECK(parse_hex(block("```hex\n")) == parse_hex(must_read(kDirectory / "example.hex")));
  CHECK(block("```json\n") == must_read(kDirectory / "example.json"));
}

// Malformed payloads behind a valid header: fields are appended one by one to what is valid before them.
struct Malformed {
  const char* name;
  const char* error;
  std::function<void(ByteWriter&)> payload;
};

void strings(ByteWriter& out, std::initializer_list<std::string_view> texts) {
  out.signed_varint(0);
  out.varint(texts.size());
  for (const std::string_view text : texts) out.string(text);
}

void bytes(ByteWriter& out, std::initializer_list<int> values) {
  for (const int v : values) out.fixed(static_cast<std::uint8_t>(v));
}

// Strings 1 "s" and 2 "c", no numbers, one empty target, one schema with one column, no texts.
void one_schema(ByteWriter& out, ColumnType type, ColumnKind kind = ColumnKind::kGauge) {
  strings(out, {"s", "c"});
  bytes(out, {0, 1, 0, 0, 0, 0, 1, 1, 1, 2, static_cast<int>(kind), static_cast<int>(type), 0});
}

// Headers of `batches` batches: zeros but for one field.
void headers(ByteWriter& out, std::uint64_t batches, std::size_t field, std::int64_t value) {
  out.varint(batches);
  for (std::size_t f = 0; f < 12; ++f) {
    bytes(out, {f == field ? 1 : 5});
    if (f == field) out.signed_varint(value);
  }
}

// ... up to the rows of one batch.
void one_batch(ByteWriter& out, ColumnType type, std::int64_t rows, int mode = 0, ColumnKind kind = ColumnKind::kGauge) {
  one_schema(out, type, kind);
  headers(out, 1, 11, rows);
  bytes(out, {mode});
}

const Malformed kMalformed[] = {
    {"payload-empty", "payload: offset 0: varint is cut short", [](ByteWriter&) {}},
    {"varint-not-minimal", "payload: offset 0: varint is not minimal", [](ByteWriter& out) { bytes(out, {0x80, 0x00}); }},
    {"varint-too-long", "payload: offset 0: varint exceeds 64 bits",
     [](ByteWriter& out) { bytes(out, {255, 255, 255, 255, 255, 255, 255, 255, 255, 2}); }},
    {"strings-too-many", "payload: offset 1: 65537 strings exceed the limit of 65536",
     [](ByteWriter& out) {
       bytes(out, {0});
       out.varint(65'537);
     }},
    {"strings-not-there", "payload: offset 1: 1000 strings cannot be in the 0 bytes left",
     [](ByteWriter& out) {
       bytes(out, {0});
       out.varint(1'000);
     }},
    {"string-empty", "payload: offset 4: string 2 is empty", [](ByteWriter& out) { strings(out, {"a", "", "b", "cde"}); }},
    {"string-not-utf8", "payload: offset 2: string 1 is not UTF-8", [](ByteWriter& out) { strings(out, {"\xc3("}); }},
    {"string-cut", "payload: offset 3: block of 9 bytes is cut short, 1 left", [](ByteWriter& out) { bytes(out, {0, 1, 9, 'a'}); }},
    {"string-too-long", "payload: offset 2: string of 65537 bytes exceeds the limit of 65536",
     [](ByteWriter& out) {
       bytes(out, {0, 1});
       out.varint(65'537);
     }},
    {"numbers-too-many", "payload: offset 2: 65537 numbers exceed the limit of 65536",
     [](ByteWriter& out) {
       bytes(out, {0, 0});
       out.varint(65'537);
     }},
    {"numbers-not-there", "payload: offset 2: 2 numbers cannot be in the 9 bytes left",
     [](ByteWriter& out) { bytes(out, {0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9}); }},
    {"targets-too-many", "payload: offset 3: 257 targets exceed the limit of 256",
     [](ByteWriter& out) {
       bytes(out, {0, 0, 0});
       out.varint(257);
     }},
    {"target-string", "payload: offset 4: string 1 of 1", [](ByteWriter& out) { bytes(out, {0, 0, 0, 1, 1, 0, 0, 0}); }},
    {"schema-source-empty", "payload: offset 5: the name of the source is empty",
     [](ByteWriter& out) { bytes(out, {0, 0, 0, 0, 1, 0, 0}); }},
    {"columns-too-many", "payload: schema of s: offset 8: 257 columns exceed the limit of 256",
     [](ByteWriter& out) {
       strings(out, {"s"});
       bytes(out, {0, 0, 1, 1});
       out.varint(257);
     }},
    {"columns-twice", "payload: schema of s: offset 14: two columns are called c",
     [](ByteWriter& out) {
       strings(out, {"s", "c"});
       bytes(out, {0, 0, 1, 1, 2, 2, 0, 0, 2, 0, 0});
     }},
    {"columns-twice-by-text", "payload: schema of s: offset 16: two columns are called c",
     [](ByteWriter& out) {
       strings(out, {"s", "c", "c"});
       bytes(out, {0, 0, 1, 1, 2, 2, 0, 0, 3, 0, 0});
     }},
    {"column-without-name", "payload: schema of s: offset 9: a column has no name",
     [](ByteWriter& out) {
       strings(out, {"s"});
       bytes(out, {0, 0, 1, 1, 1, 0, 0, 0});
     }},
    {"column-kind", "payload: schema of s: offset 10: kind 5 is not known",
     [](ByteWriter& out) {
       strings(out, {"s"});
       bytes(out, {0, 0, 1, 1, 1, 1, 5, 0});
     }},
    {"column-type", "payload: schema of s: offset 11: type 5 is not known",
     [](ByteWriter& out) {
       strings(out, {"s"});
       bytes(out, {0, 0, 1, 1, 1, 1, 0, 5});
     }},
    {"headers-cut", "payload: offset 20: the headers of 3 batches are cut short",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       bytes(out, {3, 5, 5});
     }},
    {"header-of-nulls", "payload: offset 20: encoding 0 is not one of a column without nulls",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       bytes(out, {1, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5});
     }},
    {"batch-target", "payload: offset 20: target 1 of 1",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 0, 1);
     }},
    {"batch-schema", "payload: offset 21: schema 1 of 1",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 1, 1);
     }},
    {"batch-outcome", "payload: offset 22: outcome 8 of 8",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 2, 8);
     }},
    {"batch-database", "payload: offset 27: string -1 of 3",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 7, -1);
     }},
    {"batch-detail", "payload: offset 29: text 1 of 0",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 9, -1);
     }},
    {"missing-too-many", "payload: offset 30: missing columns 257 of 257",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 10, 257);
     }},
    {"missing-not-there", "payload: offset 33: 2 missing columns cannot be in the 1 bytes left",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 1, 10, 2);
       bytes(out, {0});
     }},
    {"rows-too-many", "payload: batches[0]: 262145 rows exceed the limit of 262144",
     [](ByteWriter& out) { one_batch(out, ColumnType::kInt, 262'145); }},
    {"rows-negative", "payload: batches[0]: 18446744073709551615 rows exceed the limit of 262144",
     [](ByteWriter& out) { one_batch(out, ColumnType::kInt, -1); }},
    {"rows-without-columns", "payload: batches[0]: 1 rows of a schema without columns",
     [](ByteWriter& out) {
       strings(out, {"s"});
       bytes(out, {0, 1, 0, 0, 0, 0, 1, 1, 0, 0});
       headers(out, 1, 11, 1);
       bytes(out, {0});
     }},
    {"cells-too-many", "payload: batches[16]: 4456448 cells exceed the limit of 4194304",
     [](ByteWriter& out) {
       one_schema(out, ColumnType::kInt);
       headers(out, 20, 11, 262'144);
       bytes(out, {0, 5});  // one byte for 40 MiB of cells
     }},
    {"mode-unknown", "payload: batches[0]: s: offset 33: mode of a block 2 is not known",
     [](ByteWriter& out) { one_batch(out, ColumnType::kInt, 1, 2); }},
    {"encoding-unknown", "payload: batches[0]: s: c: offset 34: encoding 7 is not known",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1);
       bytes(out, {7, 0});
     }},
    {"nulls-with-presence", "payload: batches[0]: s: c: offset 34: a column of nulls has the flags 128",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1);
       bytes(out, {0x80, 0});
     }},
    {"presence-all", "payload: batches[0]: s: c: offset 34: a presence bitmap with 2 of 2 cells",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 2);
       bytes(out, {0x82, 3, 0, 0});
     }},
    {"presence-none", "payload: batches[0]: s: c: offset 34: a presence bitmap with 0 of 2 cells",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 2);
       bytes(out, {0x82, 0, 0, 0});
     }},
    {"presence-unused-bit", "payload: batches[0]: s: c: offset 35: an unused bit of the bitmap is set",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 2);
       bytes(out, {0x82, 5, 0});
     }},
    {"presence-cut", "payload: batches[0]: s: c: offset 37: a bitmap of 200000 rows is cut short",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 200'000);
       bytes(out, {0x85, 1});
     }},
    {"cells-not-there", "payload: batches[0]: s: c: offset 37: 200000 cells cannot be in the 1 bytes left",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 200'000);
       bytes(out, {2, 0});
     }},
    {"reference-of-string", "payload: batches[0]: s: c: offset 34: a column of this type cannot have the flags 69",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kString, 1);
       bytes(out, {0x45, 1});
     }},
    {"reference-too-far", "payload: batches[0]: s: c: offset 35: a reference to the column 1 before",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1);
       bytes(out, {0x45, 1});
     }},
    {"reference-to-itself", "payload: batches[0]: s: c: offset 35: a reference to the column 0 before",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1);
       bytes(out, {0x45, 0});
     }},
    {"number-id", "payload: batches[0]: s: c: offset 35: number 0 of 0",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1);
       bytes(out, {0x25});
     }},
    {"bool-of-2", "payload: batches[0]: s: c: offset 34: bool 2 of 2",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kBool, 1);
       bytes(out, {1, 4, 0});
     }},
    {"string-id", "payload: batches[0]: s: c: offset 34: string 3 of 3",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kString, 1);
       bytes(out, {1, 6, 0});
     }},
    {"text-id", "payload: batches[0]: s: c: offset 34: text 1 of 0",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kString, 1);
       bytes(out, {1, 1, 0});
     }},
    {"text-id-lowest", "payload: batches[0]: s: c: offset 34: text 9223372036854775808 of 0",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kString, 1);
       out.fixed(std::uint8_t{1});
       out.signed_varint(kMin);
     }},
    {"double-nan", "payload: batches[0]: s: c: offset 34: a double that is not finite",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kDouble, 1);
       out.fixed(std::uint8_t{1});
       out.signed_varint(
           static_cast<std::int64_t>(__builtin_bswap64(std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()))));
       out.varint(0);
     }},
    {"keys-of-none", "payload: batches[0]: s: offset 33: a source without keys has a block with keys",
     [](ByteWriter& out) { one_batch(out, ColumnType::kInt, 1, 1); }},
    {"keys-too-many", "payload: batches[0]: s: offset 34: 65535 new keys exceed the limit of 65534",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1, 1, ColumnKind::kKey);
       out.varint(65'535);
     }},
    {"key-null", "payload: batches[0]: s: offset 35: a key is null",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1, 1, ColumnKind::kKey);
       bytes(out, {1, 0, 0, 0});
     }},
    {"key-text", "payload: batches[0]: s: offset 35: string -1 of 3",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kString, 1, 1, ColumnKind::kKey);
       bytes(out, {1, 1, 1, 0});
     }},
    {"slots-form", "payload: batches[0]: s: offset 37: form of slots 3 is not known",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 1, 1, ColumnKind::kKey);
       bytes(out, {1, 1, 8, 3});
     }},
    {"slots-all", "payload: batches[0]: s: offset 36: 2 rows for all of 1 keys",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 2, 1, ColumnKind::kKey);
       bytes(out, {1, 5, 0, 0});
     }},
    {"slots-bitmap", "payload: batches[0]: s: offset 36: 1 keys for 2 rows",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 2, 1, ColumnKind::kKey);
       bytes(out, {3, 5, 1, 1, 0});
     }},
    {"slots-column", "payload: batches[0]: s: offset 36: key 3 of 3",
     [](ByteWriter& out) {
       one_batch(out, ColumnType::kInt, 2, 1, ColumnKind::kKey);
       bytes(out, {3, 5, 2, 1, 6, 0});
     }},
    {"gap-of-nothing", "payload: offset 8: gap of 1 sequences after 0",
     [](ByteWriter& out) { bytes(out, {0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}); }},
    {"gap-overflow", "payload: offset 8: gap of 18446744073709551615 sequences after 1",
     [](ByteWriter& out) {
       bytes(out, {0, 0, 0, 0, 0, 0, 0, 1, 1});
       out.varint(UINT64_MAX);
       bytes(out, {0, 0, 0, 0});
     }},
    {"gap-reason", "payload: offset 13: string 1 of 1", [](ByteWriter& out) { bytes(out, {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2}); }},
    {"bytes-behind", "payload: offset 8: 1 bytes follow the last gap", [](ByteWriter& out) { bytes(out, {0, 0, 0, 0, 0, 0, 0, 0, 0}); }},
};

TEST_CASE("every malformed shape is refused, naming where and why") {
  for (const Malformed& m : kMalformed) {
    CAPTURE(m.name);
    ByteWriter payload;
    m.payload(payload);
    Bytes frame(kHeaderBytes + payload.size());
    std::ranges::copy(payload.view(), frame.begin() + kHeaderBytes);
    write_alone_header(frame);
    const fs::path path = kDirectory / "malformed" / (std::string(m.name) + ".hex");
    if (writing()) REQUIRE(write_file_atomic(path, "# refused: " + std::string(m.error) + "\n" + to_hex_lines(frame), 0644));
    CHECK(parse_hex(must_read(path)) == frame);
    const auto got = Decoder().decode(frame);
    REQUIRE(!got);
    CHECK(got.error().message == m.error);
  }
}

TEST_CASE("every malformed header is refused, naming where and why") {
  struct Case {
    std::size_t at;
    int value;
    ErrorCode code;
    const char* error;
  };
  const Case cases[] = {
      {0, 'X', ErrorCode::kCorrupt, "offset 0: no frame, it begins with 58474146 instead of 50474146"},
      {4, 2, ErrorCode::kInvalid, "offset 4: frame of version 2, this program reads version 1"},
      {5, 4, ErrorCode::kInvalid, "offset 5: must-understand flags 4, this program knows 1"},
      {7, 2, ErrorCode::kInvalid, "offset 7: codec 2, this program knows 0 and 1"},
      {11, 1, ErrorCode::kTooLarge, "offset 8: payload of 16777516 bytes exceeds the limit of 4194264"},
      {15, 2, ErrorCode::kTooLarge, "offset 12: decoded payload of 33554732 bytes exceeds the limit of 16777216"},
      {12, 0, ErrorCode::kCorrupt, "offset 12: payload of 300 bytes without codec would decode to 256"},
  };
  const Bytes valid = parse_hex(must_read(kDirectory / "example.hex"));
  for (const Case& c : cases) {
    CAPTURE(c.error);
    Bytes bytes = valid;
    bytes.at(c.at) = static_cast<std::byte>(c.value);
    const std::uint64_t check = frame_check(bytes);
    std::memcpy(bytes.data() + kCheckAt, &check, sizeof check);
    const auto got = Decoder().decode(bytes);
    REQUIRE(!got);
    CHECK((got.error().code == c.code));
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("ignorable flags are ignored, with whatever they put behind the gaps") {
  const Bytes valid = parse_hex(must_read(kDirectory / "example.hex"));
  Bytes bytes = valid;
  bytes.push_back(std::byte{99});
  write_alone_header(bytes);
  CHECK(!Decoder().decode(bytes));
  bytes[6] = std::byte{1};
  const std::uint64_t check = frame_check(bytes);
  std::memcpy(bytes.data() + kCheckAt, &check, sizeof check);
  const auto got = Decoder().decode(bytes);
  if (!got) FAIL(got.error().message);
  CHECK(got->batches.size() == 1);
}

}  // namespace
}  // namespace pga::wire
