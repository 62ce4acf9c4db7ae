#define ZSTD_STATIC_LINKING_ONLY  // ZSTD_getFrameHeader
#include <zstd.h>

#include "base/check.h"
#include "base/text.h"
#include "wire/codec_internal.h"
#include "wire/decode_internal.h"
#include "wire/limits.h"

namespace pga::wire {
namespace {

// One whole zstd frame of the size and window that the header and the limits allow.
Status check_zstd(ByteView payload, std::size_t offset, std::size_t decoded_bytes) {
  const std::string at = "offset " + std::to_string(offset) + ": ";
  ZSTD_frameHeader header;
  if (ZSTD_getFrameHeader(&header, payload.data(), payload.size()) != 0 || header.frameType != ZSTD_frame)
    return corrupt(at + "no zstd frame");
  if (header.dictID != 0) return corrupt(at + "zstd frame with the dictionary " + std::to_string(header.dictID));
  if (header.windowSize > (1ULL << kZstdWindowLogMax)) {
    return too_large(at + "zstd window of " + std::to_string(header.windowSize) + " bytes exceeds the limit of " +
                     std::to_string(1 << kZstdWindowLogMax));
  }
  if (header.frameContentSize != ZSTD_CONTENTSIZE_UNKNOWN && header.frameContentSize != decoded_bytes) {
    return corrupt(at + "zstd frame of " + std::to_string(header.frameContentSize) + " bytes, the header says " +
                   std::to_string(decoded_bytes));
  }
  const std::size_t bytes = ZSTD_findFrameCompressedSize(payload.data(), payload.size());
  if (ZSTD_isError(bytes) != 0) return corrupt(at + "zstd: " + ZSTD_getErrorName(bytes));
  if (bytes != payload.size())
    return corrupt("offset " + std::to_string(offset + bytes) + ": " + std::to_string(payload.size() - bytes) +
                   " bytes follow the zstd frame");
  return {};
}

}  // namespace

struct Decoder::Impl {
  struct FreeContext {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, FreeContext> zstd{ZSTD_createDCtx()};
  Result<Frame> decode(ByteView bytes, ReceiverDictionary* dictionary);
};

Decoder::Decoder() : impl_(std::make_unique<Impl>()) { PGA_CHECK(impl_->zstd != nullptr); }
Decoder::~Decoder() = default;

Result<Frame> Decoder::Impl::decode(ByteView bytes, ReceiverDictionary* dictionary) {
  PGA_TRY(const FrameHeader header, peek_header(bytes));
  ByteView payload = bytes.subspan(header.bytes());
  if (payload.size() != header.payload_bytes) {
    return corrupt("payload of " + std::to_string(payload.size()) + " bytes, the header says " + std::to_string(header.payload_bytes));
  }
  if (const std::uint64_t computed = frame_check(bytes); computed != header.check) {
    return corrupt("offset 32: check value " + to_hex(header.check) + ", the bytes give " + to_hex(computed));
  }
  if (header.builds_on != 0 && (dictionary == nullptr || dictionary->state() != header.builds_on)) {
    return Error{ErrorCode::kNotFound, "dictionary wanted: the frame builds on state " + to_hex(header.builds_on) + ", this receiver has " +
                                           (dictionary == nullptr || dictionary->state() == 0 ? "none" : to_hex(dictionary->state()))};
  }
  std::unique_ptr<std::byte[]> decoded;
  if (header.codec == Codec::kZstd) {
    PGA_TRY_STATUS(check_zstd(payload, header.bytes(), header.decoded_bytes));
    decoded = std::make_unique_for_overwrite<std::byte[]>(header.decoded_bytes);
    const std::size_t n = ZSTD_decompressDCtx(zstd.get(), decoded.get(), header.decoded_bytes, payload.data(), payload.size());
    if (ZSTD_isError(n) != 0) return corrupt("offset " + std::to_string(header.bytes()) + ": zstd: " + ZSTD_getErrorName(n));
    if (n != header.decoded_bytes)
      return corrupt("payload decodes to " + std::to_string(n) + " bytes, the header says " + std::to_string(header.decoded_bytes));
    payload = ByteView(decoded.get(), n);
  }
  Frame frame;
  frame.epoch = header.epoch;
  frame.sequence = header.sequence;
  const auto read = [&](DictionaryEntries& entries) -> Status {
    if (auto done = PayloadDecoder(payload, entries, frame).run(header.ignorable_flags != 0); !done)
      return done.error().with_context("payload");
    return {};
  };
  if (header.builds_on == 0) {  // it starts a dictionary of its own, which takes the place of the other once all is read
    DictionaryEntries entries;
    PGA_TRY_STATUS(read(entries));
    entries.state = header.check;
    if (dictionary != nullptr) dictionary->impl().entries = std::move(entries);
    return frame;
  }
  DictionaryEntries& entries = dictionary->impl().entries;
  const DictionaryMark before(entries);
  if (Status done = read(entries); !done) {
    before.restore(entries);
    return std::move(done).error();
  }
  if (before.is_behind(entries)) entries.state = header.check;
  return frame;
}

Result<Frame> Decoder::decode(ByteView bytes) { return impl_->decode(bytes, nullptr); }
Result<Frame> Decoder::decode(ByteView bytes, ReceiverDictionary& dictionary) { return impl_->decode(bytes, &dictionary); }

}  // namespace pga::wire
