#include "ingest/record.h"

#include <doctest/doctest.h>

#include <limits>

#include "ingest/limits.h"

namespace pga::ingest {
namespace {

TEST_CASE("a record comes back as it was written") {
  const std::string frame = "the frame";
  const Bytes bytes = encode_record(
      {.tenant = 1, .collector = 7, .collector_uuid = "uuid", .received_us = -5, .servers = {3, 4}, .frame = as_bytes(frame)});
  const auto record = decode_record(bytes);
  REQUIRE(record);
  CHECK(record->tenant == 1);
  CHECK(record->collector == 7);
  CHECK(record->collector_uuid == "uuid");
  CHECK(record->received_us == -5);
  CHECK(record->servers == std::vector<std::uint32_t>{3, 4});
  CHECK(as_text(record->frame) == frame);
}

TEST_CASE("a record that is cut anywhere before its frame is an error") {
  const Bytes bytes =
      encode_record({.tenant = 1, .collector = 7, .collector_uuid = "uuid", .received_us = 9, .servers = {3, 4}, .frame = {}});
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK(!decode_record(ByteView(bytes).first(n)));
  Bytes other = bytes;
  other[0] = std::byte{9};
  CHECK(decode_record(other).error().message == "record of version 9, known is 1");
}

TEST_CASE("a batch whose clock is broken becomes a failed reading that says so") {
  constexpr std::int64_t kNow = 1'700'000'000'000'000;
  constexpr std::int64_t kDay = 86'400'000'000;
  struct Case {
    const char* what;
    std::int64_t started;
    bool kept;
  };
  const Case cases[] = {
      {"now", kNow, true},
      {"almost seven days ago", kNow - 7 * kDay, true},
      {"more than seven days ago", kNow - 7 * kDay - 1, false},
      {"five minutes ahead", kNow + 300'000'000, true},
      {"more than five minutes ahead", kNow + 300'000'001, false},
      {"1970", 0, false},
      {"before time", std::numeric_limits<std::int64_t>::min(), false},
      {"after time", std::numeric_limits<std::int64_t>::max(), false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    wire::Frame frame;
    frame.batches.emplace_back();
    frame.batches[0].started_us = c.started;
    frame.batches[0].rows = 2;
    frame.batches[0].columns.push_back({.values = {1, 2}, .present = {}});
    CHECK(refuse_far_batches(frame, kNow) == (c.kept ? 0 : 2));
    const wire::Batch& batch = frame.batches[0];
    CHECK(batch.rows == (c.kept ? 2 : 0));
    CHECK(batch.columns.size() == (c.kept ? 1 : 0));
    CHECK(batch.started_us == (c.kept ? c.started : kNow));
    CHECK((batch.outcome == wire::Outcome::kComplete) == c.kept);
    CHECK(batch.detail.empty() == c.kept);
  }
}

}  // namespace
}  // namespace pga::ingest
