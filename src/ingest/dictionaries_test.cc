#include "ingest/dictionaries.h"

#include <doctest/doctest.h>

#include "wire/codec.h"
#include "wire/test_frames.h"

namespace pga::ingest {
namespace {

struct Sender {
  wire::Encoder encoder;
  wire::SenderDictionary dictionary;
  wire::Frame frame = wire::example_frame();
  Bytes next() {
    ++frame.sequence;
    return *encoder.encode(frame, dictionary);
  }
};

bool arrives(Dictionaries& dictionaries, StreamKey stream, const Bytes& bytes) {
  static wire::Decoder decoder;
  const auto frame = decoder.decode(bytes, dictionaries.of(stream));
  dictionaries.settle(stream);
  if (!frame) CHECK((frame.error().code == ErrorCode::kNotFound));
  return frame.has_value();
}

TEST_CASE("a stream's frames are read as long as its dictionary is held, and a dropped one is wanted again") {
  Dictionaries dictionaries(5'000);  // room for about three
  std::vector<Sender> senders(8);
  for (std::uint32_t i = 0; i < senders.size(); ++i) CHECK(arrives(dictionaries, {i, 1}, senders[i].next()));
  CHECK(dictionaries.size() < senders.size());
  CHECK(dictionaries.bytes() <= 5'000);
  CHECK(arrives(dictionaries, {7, 1}, senders[7].next()));
  CHECK_FALSE(arrives(dictionaries, {0, 1}, senders[0].next()));
  senders[0].dictionary.reset();
  CHECK(arrives(dictionaries, {0, 1}, senders[0].next()));
  CHECK(arrives(dictionaries, {0, 1}, senders[0].next()));
  CHECK_FALSE(arrives(dictionaries, {0, 2}, senders[0].next()));  // another epoch is another stream
}

TEST_CASE("what never was a frame takes no place") {
  Dictionaries dictionaries(5'000);
  wire::Decoder decoder;
  for (std::uint32_t i = 0; i < 100; ++i) {
    CHECK_FALSE(decoder.decode(Bytes(50), dictionaries.of({i, 1})));
    dictionaries.settle({i, 1});
  }
  CHECK(dictionaries.size() == 0);
  CHECK(dictionaries.bytes() == 0);
}

}  // namespace
}  // namespace pga::ingest
