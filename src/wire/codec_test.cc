#include "wire/codec.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <random>

#include "wire/codec_internal.h"
#include "wire/limits.h"
#include "wire/test_frames.h"

namespace pga::wire {
namespace {

Frame must_decode(ByteView bytes) {
  auto frame = Decoder().decode(bytes);
  if (!frame) FAIL(frame.error().message);
  return std::move(*frame);
}

Bytes must_encode(const Frame& frame, Codec codec = Codec::kZstd) {
  auto bytes = Encoder({codec, 3}).encode(frame);
  if (!bytes) FAIL(bytes.error().message);
  return std::move(*bytes);
}

TEST_CASE("what is encoded decodes to the same content, and that to the same bytes") {
  Encoder zstd;
  Encoder none({Codec::kNone, 0});
  Decoder decoder;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const Frame frame = random_frame(random);
    const auto plain = none.encode(frame);
    REQUIRE(plain);
    const auto back = decoder.decode(*plain);
    if (!back) FAIL(back.error().message);
    CHECK(same_content(frame, *back));
    CHECK(*none.encode(*back) == *plain);
    const auto small = zstd.encode(frame);
    REQUIRE(small);
    CHECK(small->size() <= plain->size());
    CHECK(same_content(frame, *decoder.decode(*small)));
    const auto header = peek_header(*small);
    REQUIRE(header);
    CHECK(header->epoch == frame.epoch);
    CHECK(header->sequence == frame.sequence);
    CHECK(header->decoded_bytes == plain->size() - kHeaderBytes);
  }
}

TEST_CASE("the frames of a stream say the same with a dictionary, whatever is repeated or forgotten") {
  Decoder decoder;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Encoder encoder;
    SenderDictionary sender;
    ReceiverDictionary receiver;
    std::vector<Frame> frames;
    for (int i = 0; i < 3; ++i) frames.push_back(random_frame(random));
    for (int i = 0; i < 9; ++i) {
      Frame& frame = frames[random() % frames.size()];
      ++frame.sequence;
      if (random() % 8 == 0) sender.reset();
      if (random() % 8 == 0) receiver = ReceiverDictionary();
      auto bytes = encoder.encode(frame, sender);
      REQUIRE(bytes);
      auto back = decoder.decode(*bytes, receiver);
      if (!back) {
        CHECK((back.error().code == ErrorCode::kNotFound));
        sender.reset();
        bytes = encoder.encode(frame, sender);
        REQUIRE(bytes);
        back = decoder.decode(*bytes, receiver);
      }
      if (!back) FAIL(back.error().message);
      CHECK(same_content(frame, *back));
      CHECK(sender.state() == receiver.state());
      CHECK(sender.entries() == receiver.entries());
    }
  }
}

TEST_CASE("many readings in which every row has the same key are read back") {
  Frame frame;
  frame.targets = {{"host", "a", "", ""}};
  frame.schemas = {{"s", {{"k", ColumnKind::kKey, ColumnType::kString}}}};
  Batch batch;
  batch.rows = 19;
  batch.columns = {{std::vector<std::int64_t>(19, 0), {}}};
  frame.batches.assign(73, batch);
  CHECK(same_content(must_decode(must_encode(frame)), frame));
}

TEST_CASE("a frame that fails changes nothing of the dictionary, at whatever byte it fails") {
  std::mt19937_64 random(11);
  Encoder encoder({Codec::kNone, 0});
  Decoder decoder;
  SenderDictionary sender;
  ReceiverDictionary receiver;
  REQUIRE(decoder.decode(*encoder.encode(random_frame(random), sender), receiver));
  const std::uint64_t builds_on = sender.state();
  const Frame next = random_frame(random);
  const Bytes good = *encoder.encode(next, sender);
  REQUIRE(peek_header(good)->builds_on == builds_on);
  const std::size_t entries = receiver.entries();
  for (std::size_t cut = kHeaderBytes + kStateBytes; cut < good.size(); ++cut) {
    CAPTURE(cut);
    Bytes bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut));
    write_alone_header(bad, builds_on);
    CHECK(!decoder.decode(bad, receiver));
    REQUIRE(receiver.state() == builds_on);
    REQUIRE(receiver.entries() == entries);
  }
  const auto got = decoder.decode(good, receiver);
  if (!got) FAIL(got.error().message);
  CHECK(same_content(*got, next));
}

TEST_CASE("a full dictionary is started anew instead of growing, and never is it larger than a receiver allows") {
  Encoder encoder;
  Decoder decoder;
  SenderDictionary sender;
  ReceiverDictionary receiver;
  Frame frame;
  frame.targets = {{"postgres", "shop", "", ""}};
  frame.schemas = {{"s", {{"k", ColumnKind::kKey, ColumnType::kString}, {"v", ColumnKind::kCounter, ColumnType::kInt}}}};
  std::size_t most = 0;
  for (int round = 0; round < 12; ++round) {
    frame.strings.clear();
    Batch batch;
    batch.rows = 20'000;
    batch.columns.resize(2);
    for (std::size_t i = 0; i < batch.rows; ++i) {
      batch.columns[0].values.push_back(frame.strings.intern("key " + std::to_string(round) + " " + std::to_string(i)));
      batch.columns[1].values.push_back(static_cast<std::int64_t>(i));
    }
    frame.batches = {batch};
    ++frame.sequence;
    const auto bytes = encoder.encode(frame, sender);
    if (!bytes) FAIL(bytes.error().message);
    const auto back = decoder.decode(*bytes, receiver);
    if (!back) FAIL(back.error().message);
    CHECK(same_content(*back, frame));
    most = std::max(most, receiver.entries());
  }
  CHECK(most > 30'000);
  CHECK(most <= kDictionaryEntriesMax);
}

TEST_CASE("same_content sees every difference that matters and none that does not") {
  const Frame frame = example_frame();
  Frame other = frame;
  other.batches[0].columns[2].values[1] = 99;  // a null cell
  CHECK(same_content(frame, other));
  other.batches[0].columns[2].present[1] = 1;
  CHECK_FALSE(same_content(frame, other));
  const std::function<void(Frame&)> changes[] = {
      [](Frame& f) { f.epoch += 1; },
      [](Frame& f) { f.sequence += 1; },
      [](Frame& f) { f.sent_us += 1; },
      [](Frame& f) { f.targets[0].version = "18.5"; },
      [](Frame& f) { f.schemas[0].columns[1].kind = ColumnKind::kGauge; },
      [](Frame& f) { f.batches[0].outcome = Outcome::kLimit; },
      [](Frame& f) { f.batches[0].columns[1].values[0] += 1; },
      [](Frame& f) { f.batches[0].columns[0].values[0] = f.strings.intern("other"); },
      [](Frame& f) { f.gaps.clear(); },
      [](Frame& f) { f.batches.clear(); },
  };
  for (const auto& change : changes) {
    other = frame;
    change(other);
    CHECK_FALSE(same_content(frame, other));
  }
  // The same text under another id.
  other = frame;
  other.strings.clear();
  other.strings.intern("something before");
  for (std::int64_t& id : other.batches[0].columns[0].values) id = other.strings.intern(frame.strings.at(static_cast<std::size_t>(id)));
  CHECK(same_content(frame, other));
}

TEST_CASE("a frame without batches is valid and small") {
  Frame frame;
  frame.epoch = 7;
  frame.sequence = 1;
  const Bytes bytes = must_encode(frame);
  CHECK(bytes.size() == kHeaderBytes + 8);
  CHECK(same_content(must_decode(bytes), frame));
}

TEST_CASE("only strings that the frame uses are sent, each once") {
  Frame frame = example_frame();
  frame.strings.intern("not used by any cell");
  const Frame back = must_decode(must_encode(frame));
  CHECK(same_content(frame, back));
  for (std::size_t id = 0; id < back.strings.size(); ++id) CHECK(back.strings.at(id) != "not used by any cell");
  CHECK(back.strings.size() == 5);
}

TEST_CASE("text that is not UTF-8 is replaced, text that is too long is cut at a character, and doubles that are not finite become null") {
  Frame frame = example_frame();
  frame.batches[0].detail = "caf\xe9";
  frame.batches[0].sqlstate = std::string(kStringBytesMax - 1, 'x') + "ü";
  frame.schemas[0].columns[1].type = ColumnType::kDouble;
  const auto bits = [](double d) { return std::bit_cast<std::int64_t>(d); };
  frame.batches[0].columns[1].values = {bits(1.5), bits(std::numeric_limits<double>::quiet_NaN()),
                                        bits(-std::numeric_limits<double>::infinity()), bits(0)};
  const Frame back = must_decode(must_encode(frame));
  CHECK(back.batches[0].detail == "caf\xEF\xBF\xBD");
  CHECK(back.batches[0].sqlstate == std::string(kStringBytesMax - 1, 'x'));
  CHECK(back.batches[0].columns[1].present == std::vector<std::uint8_t>{1, 0, 0, 1});
}

TEST_CASE("a frame that is not consistent or too large is refused, naming where") {
  struct Case {
    const char* error;
    std::function<void(Frame&)> change;
  };
  const auto grow = [](Batch& batch, std::size_t rows) {
    batch.rows = rows;
    for (Column& column : batch.columns) {
      column.values.assign(rows, 0);
      column.present.clear();
    }
  };
  const Case cases[] = {
      {"batches[0]: target 1 of 1", [](Frame& f) { f.batches[0].target = 1; }},
      {"batches[0]: schema 3 of 1", [](Frame& f) { f.batches[0].schema = 3; }},
      {"batches[0]: 2 columns for 4 rows of postgres.tables, which has 3", [](Frame& f) { f.batches[0].columns.pop_back(); }},
      {"batches[0]: postgres.tables.rows_inserted: 3 values and 0 presences for 4 rows",
       [](Frame& f) { f.batches[0].columns[1].values.pop_back(); }},
      {"batches[0]: postgres.tables.table: string 99 of 5", [](Frame& f) { f.batches[0].columns[0].values[0] = 99; }},
      {"batches[0]: postgres.tables.rows_inserted: bool of value 1500", [](Frame& f) { f.schemas[0].columns[1].type = ColumnType::kBool; }},
      {"schema of postgres.tables: two columns are called table", [](Frame& f) { f.schemas[0].columns[1].name = "table"; }},
      {"schema of postgres.tables: a column has no name", [](Frame& f) { f.schemas[0].columns[1].name = ""; }},
      {"schema of : the name of the source is empty", [](Frame& f) { f.schemas[0].source = ""; }},
      {"gap from sequence 0 to 41", [](Frame& f) { f.gaps[0].first_sequence = 0; }},
      {"257 targets exceed the limit of 256",
       [](Frame& f) {
         f.batches.resize(257, f.batches[0]);
         for (std::uint32_t i = 0; i < 257; ++i) {
           f.batches[i].target = i;
           if (i > 0) f.targets.push_back({"host", "h" + std::to_string(i), "", ""});
         }
       }},
      {"8193 batches exceed the limit of 8192", [](Frame& f) { f.batches.resize(8193); }},
      {"batches[0]: 262145 rows exceed the limit of 262144", [&](Frame& f) { grow(f.batches[0], 262'145); }},
      {"4718592 cells exceed the limit of 4194304",
       [&](Frame& f) {
         grow(f.batches[0], 262'144);
         f.batches.resize(6, f.batches[0]);
       }},
      {"4242130 bytes of strings exceed the limit of 4194304",
       [](Frame& f) {
         f.batches.resize(66, f.batches[0]);
         for (std::size_t i = 0; i < f.batches.size(); ++i) f.batches[i].detail = std::string(64'270, 'x') + std::to_string(10 + i);
       }},
  };
  for (const Case& c : cases) {
    Frame frame = example_frame();
    c.change(frame);
    const auto got = Encoder().encode(frame);
    CAPTURE(c.error);
    REQUIRE(!got);
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("an encoder that refused a frame encodes the next one as if nothing had been") {
  Encoder encoder;
  const Bytes before = *encoder.encode(example_frame());
  Frame bad = example_frame();
  bad.batches[0].target = 9;
  CHECK(!encoder.encode(bad));
  CHECK(*encoder.encode(example_frame()) == before);
}

TEST_CASE("a frame cut at any byte or with any bit flipped is refused") {
  for (const Codec codec : {Codec::kNone, Codec::kZstd}) {
    const Bytes bytes = must_encode(example_frame(), codec);
    CHECK((peek_header(bytes)->codec == codec));
    Decoder decoder;
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      CAPTURE(cut);
      CHECK(!decoder.decode(ByteView(bytes).first(cut)));
    }
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(!decoder.decode(longer));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      CAPTURE(bit);
      Bytes flipped = bytes;
      flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      CHECK(!decoder.decode(flipped));
    }
  }
}

TEST_CASE("random damage behind a valid check value never crashes the decoder") {
  Decoder decoder;
  std::size_t accepted = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    std::mt19937_64 random(seed);
    Bytes bytes = must_encode(random_frame(random), Codec::kNone);
    for (std::uint64_t n = 1 + random() % 3; n-- > 0;)
      bytes[kHeaderBytes + random() % (bytes.size() - kHeaderBytes)] = static_cast<std::byte>(random());
    write_alone_header(bytes);
    if (const auto frame = decoder.decode(bytes)) {
      ++accepted;
      CHECK(Encoder().encode(*frame));
    }
  }
  CHECK(accepted > 0);
}

}  // namespace
}  // namespace pga::wire
