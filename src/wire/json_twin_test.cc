#include "wire/json_twin.h"

#include <doctest/doctest.h>

#include <bit>
#include <functional>

#include "wire/codec.h"
#include "wire/limits.h"
#include "wire/test_frames.h"

namespace pga::wire {
namespace {

TEST_CASE("binary, frame, JSON, frame and binary again say the same") {
  Encoder encoder;
  Decoder decoder;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto binary = encoder.encode(random_frame(random));
    REQUIRE(binary);
    const auto frame = decoder.decode(*binary);
    REQUIRE(frame);
    for (const bool pretty : {false, true}) {
      const auto text = to_json(*frame, pretty);
      REQUIRE(text);
      const auto back = from_json(*text);
      if (!back) FAIL(back.error().message);
      CHECK(same_content(*frame, *back));
      CHECK(*to_json(*back, pretty) == *text);
      CHECK(same_content(*decoder.decode(*encoder.encode(*back)), *frame));
    }
  }
}

TEST_CASE("cells are spelled by their type, and integers beyond 2^53 as strings") {
  Frame frame;
  frame.epoch = 18'446'744'073'709'551'615U;
  frame.sequence = 9'007'199'254'740'992;
  frame.targets = {{"host", "a", "", ""}};
  frame.schemas = {{"s",
                    {{"i", ColumnKind::kGauge, ColumnType::kInt},
                     {"b", ColumnKind::kGauge, ColumnType::kBool},
                     {"s", ColumnKind::kKey, ColumnType::kString},
                     {"d", ColumnKind::kGauge, ColumnType::kDouble}}}};
  Batch batch;
  batch.rows = 3;
  batch.columns = {{{9'007'199'254'740'993, -1, 0}, {1, 1, 0}},
                   {{0, 1, 0}, {}},
                   {{frame.strings.intern("a\"\x01"), 0, 0}, {}},
                   {{std::bit_cast<std::int64_t>(0.1), std::bit_cast<std::int64_t>(-0.0), std::bit_cast<std::int64_t>(1e300)}, {}}};
  frame.batches = {batch};
  CHECK(*to_json(frame) ==
        R"({"version":1,"epoch":"18446744073709551615","sequence":9007199254740992,"sent_us":0,"targets":[{"kind":"host","name":"a"}],)"
        R"("schemas":[{"source":"s","columns":[{"name":"i","kind":"gauge","type":"int"},{"name":"b","kind":"gauge","type":"bool"},)"
        R"({"name":"s","kind":"key","type":"string"},{"name":"d","kind":"gauge","type":"double"}]}],)"
        R"("batches":[{"target":0,"schema":0,"outcome":"complete","started_us":0,"interval_us":0,"duration_us":0,"rows_seen":0,)"
        R"("rows":[["9007199254740993",false,"a\"\u0001",0.1],[-1,true,"",-0.0],[null,false,"",1e+300]]}]})");
}

TEST_CASE("doubles are read to the last bit") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (value - value != 0) continue;
    Frame frame;
    frame.targets = {{"host", "a", "", ""}};
    frame.schemas = {{"s", {{"d", ColumnKind::kGauge, ColumnType::kDouble}}}};
    Batch batch;
    batch.rows = 1;
    batch.columns = {{{std::bit_cast<std::int64_t>(value)}, {}}};
    frame.batches = {batch};
    CHECK(from_json(*to_json(frame))->batches[0].columns[0].values[0] == batch.columns[0].values[0]);
  }
}

// A minimal frame as third parties write it, and what breaks when one spot of it is replaced.
constexpr std::string_view kMinimal =
    R"({"version":1,"epoch":7,"sequence":"1","sent_us":1000,"targets":[{"kind":"postgres","name":"shop"}],)"
    R"("schemas":[{"source":"s","columns":[{"name":"k","kind":"key","type":"string"},{"name":"v","kind":"counter","type":"int"}]}],)"
    R"("batches":[{"target":0,"schema":0,"started_us":900,"rows":[["a",1],["b",null]]}],)"
    R"("gaps":[{"first_sequence":1,"last_sequence":2,"from_us":0,"to_us":1}]})";

TEST_CASE("what is optional may be left out") {
  const auto frame = from_json(kMinimal);
  if (!frame) FAIL(frame.error().message);
  CHECK(frame->sequence == 1);
  CHECK(frame->batches[0].rows_seen == 2);
  CHECK((frame->batches[0].outcome == Outcome::kComplete));
  CHECK(frame->batches[0].columns[1].is_null(1));
  CHECK(same_content(*from_json(*to_json(*frame)), *frame));
  CHECK(from_json(R"({"version":1,"epoch":7,"sequence":1,"sent_us":0,"_comment":{"any":["thing"]}})"));
}

TEST_CASE("JSON that is not a frame is refused with the place") {
  struct Case {
    const char* from;
    const char* to;
    ErrorCode code;
    const char* error;
  };
  const Case cases[] = {
      {"{\"version\"", "", ErrorCode::kCorrupt, "JSON, byte 0: syntax error"},
      {"\"to_us\":1}]}", "\"to_us\":1}]", ErrorCode::kCorrupt, "JSON, byte 373: incomplete JSON"},
      {"\"to_us\":1}]}", "\"to_us\":1}]} x", ErrorCode::kCorrupt, "JSON, byte 375: extra data"},
      {"\"version\":1", "\"version\":2", ErrorCode::kInvalid, "frame of version 2, this program reads version 1"},
      {"\"version\":1", "\"version\":300", ErrorCode::kInvalid, "version: an integer of 8 bits is wanted"},
      {"\"epoch\":7,", "", ErrorCode::kInvalid, "epoch: is missing"},
      {"\"epoch\":7,", "\"epoch\":7,\"epoch\":8,", ErrorCode::kCorrupt, "JSON, byte 29: the member epoch is there twice"},
      {"\"epoch\":7,", "\"epoch\":7,\"colour\":8,", ErrorCode::kInvalid, "the member colour is not known"},
      {"\"epoch\":7,", "\"epoch\":-7,", ErrorCode::kInvalid, "epoch: an integer of 64 bits is wanted"},
      {"\"epoch\":7,", "\"epoch\":\"18446744073709551616\",", ErrorCode::kInvalid, "epoch: an integer of 64 bits is wanted"},
      {"\"epoch\":7,", "\"epoch\":7.0,", ErrorCode::kInvalid, "epoch: an integer of 64 bits is wanted"},
      {"\"kind\":\"postgres\"", "\"kind\":5", ErrorCode::kInvalid, "targets[0].kind: a string is wanted"},
      {"[{\"kind\":\"postgres\",\"name\":\"shop\"}]", "{}", ErrorCode::kInvalid, "targets: an array is wanted"},
      {"\"source\":\"s\"", "\"source\":\"\"", ErrorCode::kInvalid, "schemas[0]: the name of the source is empty"},
      {"\"name\":\"v\"", "\"name\":\"k\"", ErrorCode::kInvalid, "schemas[0].columns[1]: two columns are called k"},
      {"\"name\":\"v\"", "\"name\":\"\"", ErrorCode::kInvalid, "schemas[0].columns[1]: a column has no name"},
      {"\"counter\"", "\"count\"", ErrorCode::kInvalid, "schemas[0].columns[1].kind: one of key, counter, gauge, text, time is wanted"},
      {"\"target\":0", "\"target\":1", ErrorCode::kInvalid, "batches[0]: target 1 of 1"},
      {"\"schema\":0", "\"schema\":9", ErrorCode::kInvalid, "batches[0]: schema 9 of 1"},
      {"\"started_us\":900,", "\"started_us\":900,\"outcome\":\"fine\",", ErrorCode::kInvalid,
       "batches[0].outcome: one of complete, lock, timeout, privilege, absent, limit, error, unreachable is wanted"},
      {"[\"a\",1]", "[\"a\",1,2]", ErrorCode::kInvalid, "batches[0].rows[0]: 3 cells for 2 columns"},
      {"[\"a\",1]", "[\"a\",1.5]", ErrorCode::kInvalid, "batches[0].rows[0][1]: an integer of 64 bits is wanted"},
      {"[\"a\",1]", "[\"a\",9223372036854775808]", ErrorCode::kInvalid, "batches[0].rows[0][1]: an integer of 64 bits is wanted"},
      {"[\"a\",1]", "[\"a\",1e999]", ErrorCode::kCorrupt, "JSON, byte 292: the number 1e999 is not a finite double"},
      {"[\"a\",1]", "[7,1]", ErrorCode::kInvalid, "batches[0].rows[0][0]: a string is wanted"},
      {"[\"a\",1]", "[[[[[[[]]]]]],1]", ErrorCode::kTooLarge, "JSON, byte 286: too deep"},
      {"[\"a\",1]", "[\"a\xff\",1]", ErrorCode::kCorrupt, "JSON, byte 285: syntax error"},
      {"\"last_sequence\":2", "\"last_sequence\":0", ErrorCode::kInvalid, "gaps[0]: gap from sequence 1 to 0"},
  };
  for (const Case& c : cases) {
    std::string text(kMinimal);
    const auto at = text.find(c.from);
    CAPTURE(c.error);
    REQUIRE(at != std::string::npos);
    text.replace(at, std::string_view(c.from).size(), c.to);
    const auto got = from_json(text);
    REQUIRE(!got);
    CHECK((got.error().code == c.code));
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("JSON cut at any byte is refused") {
  for (std::size_t cut = 0; cut < kMinimal.size(); ++cut) CHECK(!from_json(kMinimal.substr(0, cut)));
}

TEST_CASE("JSON beyond a limit is refused before it is held") {
  CHECK(from_json(std::string(kJsonBytesMax + 1, ' ')).error().message == "JSON of 16777217 bytes exceeds the limit of 16777216");
  std::string long_text(kMinimal);
  long_text.replace(long_text.find("\"a\""), 3, '"' + std::string(kStringBytesMax + 1, 'x') + '"');
  CHECK((from_json(long_text).error().code == ErrorCode::kTooLarge));
  std::string many(kMinimal);
  std::string rows = "[0";
  for (int i = 0; i < 300'000; ++i) rows += ",0";
  many.replace(many.find("[[\"a\""), 4, rows + "],[");
  CHECK((from_json(many).error().code == ErrorCode::kTooLarge));
}

}  // namespace
}  // namespace pga::wire
