// Streams of frames. First byte even: the rest is cut at each 0xff 0x00 into payloads of one stream behind valid headers. Odd: the bytes
// choose what sender and receiver do: push, forget, lose an answer, damage a frame. Whatever happens, a frame that is read says what
// was sent, and one that is not changes nothing of the dictionary.
#include "base/check.h"
#include "wire/codec_internal.h"
#include "wire/test_frames.h"

namespace {

using namespace pga;
using namespace pga::wire;

constexpr std::size_t kActionsMax = 4;  // of one input; more only repeat what fewer found
constexpr std::size_t kFrames = 64;

const Frame& some_frame(std::size_t which) {
  static const std::vector<Frame> frames = [] {
    std::vector<Frame> out;
    for (std::uint64_t seed = 0; out.size() < kFrames; ++seed) {
      std::mt19937_64 random(seed);
      Frame frame = random_frame(random);
      if (frame.row_count() < 12 && frame.batches.size() < 4) out.push_back(std::move(frame));
    }
    return out;
  }();
  return frames[which % frames.size()];
}

void payloads(ByteView input) {
  static Decoder decoder;
  static Encoder encoder({Codec::kNone, 0});
  ReceiverDictionary receiver;
  SenderDictionary again;
  ReceiverDictionary mirror;
  std::size_t from = 0;
  for (std::size_t at = 0; at <= input.size(); ++at) {
    const bool cut = at == input.size() || (input[at] == std::byte{0xff} && at + 1 < input.size() && input[at + 1] == std::byte{0});
    if (!cut) continue;
    const std::uint64_t builds_on = receiver.state();
    const std::size_t entries = receiver.entries();
    Bytes frame(kHeaderBytes + (builds_on != 0 ? kStateBytes : 0));
    frame.insert(frame.end(), input.begin() + static_cast<std::ptrdiff_t>(from), input.begin() + static_cast<std::ptrdiff_t>(at));
    write_alone_header(frame, builds_on);
    from = at + 2;
    const auto got = decoder.decode(frame, receiver);
    if (!got) {
      PGA_CHECK(receiver.state() == builds_on && receiver.entries() == entries);
      continue;
    }
    const auto bytes = encoder.encode(*got, again);
    if (!bytes) continue;  // more than a frame may have once it is written our way
    const auto back = decoder.decode(*bytes, mirror);
    PGA_CHECK(back.has_value() && same_content(*got, *back));
  }
}

void story(ByteView input) {
  static Decoder decoder;
  static Encoder encoder({Codec::kNone, 0});
  SenderDictionary sender;
  ReceiverDictionary receiver;
  std::vector<Frame> frames;
  for (std::size_t at = 0; at + 1 < input.size() && at < kActionsMax * 2; at += 2) {
    const auto action = static_cast<unsigned>(input[at]);
    const auto which = static_cast<unsigned>(input[at + 1]);
    if (action % 8 == 0 || frames.empty()) {
      frames.push_back(some_frame(which));
    }
    if (action % 8 == 1) sender.reset();
    if (action % 8 == 2) receiver = ReceiverDictionary();
    Frame& frame = frames[which % frames.size()];
    ++frame.sequence;
    auto bytes = encoder.encode(frame, sender);
    PGA_CHECK(bytes.has_value());
    if (action % 8 == 3) continue;  // lost on the way
    const std::uint64_t state = receiver.state();
    const std::size_t entries = receiver.entries();
    if (action % 8 == 4) {
      const std::size_t header = peek_header(*bytes)->bytes();
      Bytes bad = *bytes;
      bad[header + which * 31 % (bad.size() - header)] ^= static_cast<std::byte>(action / 8 + 1);
      write_alone_header(bad, peek_header(*bytes)->builds_on);
      if (!decoder.decode(bad, receiver)) {
        PGA_CHECK(receiver.state() == state && receiver.entries() == entries);
      } else {
        receiver = ReceiverDictionary();  // what the damage made of it is not what the sender has
      }
    }
    auto got = decoder.decode(*bytes, receiver);
    if (!got) {
      PGA_CHECK(got.error().code == ErrorCode::kNotFound);
      sender.reset();
      bytes = encoder.encode(frame, sender);
      got = decoder.decode(*bytes, receiver);
    }
    PGA_CHECK(got.has_value() && same_content(frame, *got));
    PGA_CHECK(sender.state() == receiver.state() && sender.entries() == receiver.entries());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  if (data[0] % 2 == 0) {
    payloads(input);
  } else {
    story(input);
  }
  return 0;
}
