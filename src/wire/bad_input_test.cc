// What a hostile or broken sender can do with a frame: an error each, little memory, and a dictionary that is what it was.
#include <zstd.h>

#include <doctest/doctest.h>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <random>

#include "wire/codec_internal.h"
#include "wire/json_twin.h"
#include "wire/limits.h"
#include "wire/test_frames.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PGA_SANITIZED 1
#endif
#endif

#ifndef PGA_SANITIZED
// The heap of this program, counted: sanitizers bring their own.
namespace {
std::atomic<std::size_t> heap_now{0}, heap_peak{0};
constexpr std::size_t kPrefix = alignof(std::max_align_t);
}  // namespace

void* operator new(std::size_t n) {
  void* const block = std::malloc(n + kPrefix);
  if (block == nullptr) throw std::bad_alloc();
  *static_cast<std::size_t*>(block) = n;
  const std::size_t now = heap_now += n;
  if (now > heap_peak) heap_peak = now;
  return static_cast<char*>(block) + kPrefix;
}
void operator delete(void* at) noexcept {
  if (at == nullptr) return;
  void* const block = static_cast<char*>(at) - kPrefix;
  heap_now -= *static_cast<std::size_t*>(block);
  std::free(block);
}
void operator delete(void* at, std::size_t) noexcept { operator delete(at); }
#endif

namespace pga::wire {
namespace {

// Most bytes that `work` had allocated at once; 0 under sanitizers.
std::size_t peak_of(const std::function<void()>& work) {
#ifdef PGA_SANITIZED
  work();
  return 0;
#else
  const std::size_t before = heap_now;
  heap_peak = before;
  work();
  return heap_peak - before;
#endif
}

// The frame is refused, with a message, and with little memory.
std::string refused(ByteView bytes, Decoder& decoder, ReceiverDictionary& dictionary) {
  const std::uint64_t state = dictionary.state();
  const std::size_t entries = dictionary.entries();
  std::string message;
  bool accepted = false;
  const std::size_t peak = peak_of([&] {
    const auto got = decoder.decode(bytes, dictionary);
    accepted = got.has_value();
    if (!accepted) message = got.error().message;
  });
  CHECK_FALSE(accepted);
  CHECK_FALSE(message.empty());
  CHECK(peak <= 4 * bytes.size() + 1 * kMiB);
  CHECK(dictionary.state() == state);
  CHECK(dictionary.entries() == entries);
  return message;
}

Bytes zstd(ByteView content, bool says_size) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, says_size ? 1 : 0);
  Bytes out(ZSTD_compressBound(content.size()));
  out.resize(ZSTD_compress2(context, out.data(), out.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return out;
}

// A frame of codec zstd around `packed` that says it decodes to `decoded` bytes.
Bytes packed_frame(const Bytes& packed, std::size_t decoded) {
  Bytes frame(kHeaderBytes);
  frame.insert(frame.end(), packed.begin(), packed.end());
  write_header(frame,
               {.epoch = 1, .sequence = 1, .codec = Codec::kZstd, .decoded_bytes = static_cast<std::uint32_t>(decoded), .builds_on = 0});
  return frame;
}

Bytes payload_of(const Frame& frame) {
  const Bytes bytes = *Encoder({Codec::kNone, 0}).encode(frame);
  return {bytes.begin() + kHeaderBytes, bytes.end()};
}

// Blocks of one repeated byte: 128 KiB of content in four bytes each.
Bytes rle_frame(std::size_t blocks) {
  Bytes out;
  const auto put = [&](std::initializer_list<int> bytes) {
    for (const int b : bytes) out.push_back(static_cast<std::byte>(b));
  };
  put({0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68});  // magic, no content size, window of 8 MiB
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t header = (i + 1 == blocks ? 1U : 0U) | 1U << 1 | (128 * kKiB) << 3;
    put({static_cast<int>(header & 0xff), static_cast<int>(header >> 8 & 0xff), static_cast<int>(header >> 16 & 0xff), 0});
  }
  return out;
}

TEST_CASE("every kind of zstd bomb is refused with little memory") {
  const Bytes good = payload_of(example_frame());
  const Bytes zeros(kDecodedBytesMax);
  const Bytes small_zeros(1 * kMiB);
  const auto joined = [](Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const Bytes skippable = {std::byte{0x50}, std::byte{0x2a}, std::byte{0x4d}, std::byte{0x18}, std::byte{4}, {}, {}, {}, {}, {}, {}, {}};
  Bytes with_dictionary = zstd(good, true);
  with_dictionary[4] |= std::byte{1};  // a dictionary id of one byte
  with_dictionary.insert(with_dictionary.begin() + 5, std::byte{7});
  Bytes cut = zstd(good, true);
  cut.resize(cut.size() / 2);
  Bytes damaged = zstd(good, true);
  damaged[7] |= std::byte{6};  // the type of its block: one that does not exist
  Bytes wide = zstd(good, false);
  wide[5] = std::byte{(27 - 10) << 3};  // the window's exponent
  struct Bomb {
    const char* what;
    Bytes frame;
    const char* error;
  };
  const Bomb bombs[] = {
      {"16 MiB of zeros in a kilobyte", packed_frame(zstd(zeros, true), zeros.size()), "exceeds the limit of 105"},
      {"the same, and the header says less", packed_frame(zstd(zeros, true), 1'000), "the header says 1000"},
      {"the same without its size, and the header says less", packed_frame(zstd(zeros, false), 1'000), "zstd: Destination buffer"},
      {"a header that says 4 GiB", packed_frame(zstd(good, true), 0xffff'ffff), "exceeds the limit of 16777216"},
      {"a megabyte that the header says is twice that", packed_frame(zstd(small_zeros, false), 2 * kMiB), "exceeds the limit of 104"},
      {"a megabyte of zeros where a frame should be", packed_frame(zstd(small_zeros, true), 1 * kMiB), "bytes follow the last gap"},
      {"blocks of one byte repeated, 16 MiB", packed_frame(rle_frame(128), zeros.size()), "exceeds the limit of 105"},
      {"blocks of one byte repeated, the header says less", packed_frame(rle_frame(128), 1'000), "zstd: Destination buffer"},
      {"a window of 128 MiB", packed_frame(wide, good.size()), "zstd window of 134217728 bytes exceeds the limit"},
      {"two frames", packed_frame(joined(zstd(good, true), zstd(zeros, true)), good.size()), "bytes follow the zstd frame"},
      {"a skippable frame before", packed_frame(joined(skippable, zstd(good, true)), good.size()), "no zstd frame"},
      {"a skippable frame behind", packed_frame(joined(zstd(good, true), skippable), good.size()), "12 bytes follow the zstd frame"},
      {"a dictionary", packed_frame(with_dictionary, good.size()), "zstd frame with the dictionary 7"},
      {"cut in the middle", packed_frame(cut, good.size()), "zstd: "},
      {"damaged inside", packed_frame(damaged, good.size()), "zstd: "},
      {"nothing at all", packed_frame({}, good.size()), "no zstd frame"},
  };
  Decoder decoder;
  ReceiverDictionary dictionary;
  REQUIRE(decoder.decode(*Encoder().encode(example_frame()), dictionary));
  for (const Bomb& bomb : bombs) {
    CAPTURE(bomb.what);
    CHECK(refused(bomb.frame, decoder, dictionary).find(bomb.error) != std::string::npos);
  }
}

// A stream whose second frame builds on the first, both compressed.
struct Stream {
  Bytes first, second;
  Decoder decoder;
  ReceiverDictionary dictionary;
  Stream() {
    Encoder encoder;
    SenderDictionary sender;
    Frame frame = example_frame();
    first = *encoder.encode(frame, sender);
    ++frame.sequence;
    frame.schemas.push_back({"postgres.wal", {{"wal_bytes", ColumnKind::kCounter, ColumnType::kInt}}});
    Batch batch;
    batch.schema = 1;
    batch.rows = batch.rows_seen = 1;
    batch.columns = {{{std::numeric_limits<std::int64_t>::max()}, {}}};
    frame.batches.push_back(batch);
    second = *encoder.encode(frame, sender);
    REQUIRE(decoder.decode(first, dictionary));
  }
};

TEST_CASE("a frame of a stream cut at any byte is refused") {
  Stream s;
  for (std::size_t cut = 0; cut < s.second.size(); ++cut) {
    CAPTURE(cut);
    refused(ByteView(s.second).first(cut), s.decoder, s.dictionary);
  }
  CHECK(s.decoder.decode(s.second, s.dictionary));
}

TEST_CASE("a bit flipped at ten thousand random places of real frames is refused, with or without a right check value") {
  Stream s;
  std::mt19937_64 random(17);
  std::size_t misread = 0;
  for (int i = 0; i < 10'000; ++i) {
    CAPTURE(i);
    Bytes bad = s.second;
    const std::size_t bit = random() % (8 * bad.size());
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    refused(bad, s.decoder, s.dictionary);
    if (bit / 8 < kHeaderBytes) continue;
    // An attacker computes the check value too. What then decodes is a frame of his; it must not be more than one.
    const std::uint64_t check = frame_check(bad);
    std::memcpy(bad.data() + kCheckAt, &check, sizeof check);
    ReceiverDictionary other;
    REQUIRE(s.decoder.decode(s.first, other));
    const std::size_t peak = peak_of([&] { misread += s.decoder.decode(bad, other).has_value() ? 1 : 0; });
    CHECK(peak <= 4 * bad.size() + 1 * kMiB);
  }
  MESSAGE(misread << " of the frames with a check value of their own said something else");
  CHECK(s.decoder.decode(s.second, s.dictionary));
}

TEST_CASE("the edges of 64 bits, and times beyond any calendar, survive both spellings") {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min(), kMax = std::numeric_limits<std::int64_t>::max();
  Frame frame = example_frame();
  frame.batches[0].started_us = kMin;
  frame.batches[0].interval_us = kMax;
  frame.batches[0].duration_us = UINT64_MAX;
  frame.batches[0].rows_seen = 1ULL << 63;
  frame.batches[0].columns[1].values = {kMin, kMax, -1, 0};
  frame.batches[0].columns[2] = {{kMin, kMax, 0, 1}, {}};
  frame.sent_us = kMax;
  const auto back = Decoder().decode(*Encoder().encode(frame));
  if (!back) FAIL(back.error().message);
  CHECK(same_content(frame, *back));
  const auto twin = from_json(*to_json(*back));
  if (!twin) FAIL(twin.error().message);
  CHECK(same_content(frame, *twin));
}

}  // namespace
}  // namespace pga::wire
