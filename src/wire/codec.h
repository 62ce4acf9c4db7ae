// Frame <-> bytes. docs/wire.md is normative.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "wire/dictionary.h"
#include "wire/frame.h"

namespace pga::wire {

enum class Codec : std::uint8_t { kNone = 0, kZstd = 1 };

struct EncodeOptions {
  Codec codec = Codec::kZstd;
  int zstd_level = 3;
};

// Encodes frames one after the other with one compression context. Not thread-safe.
class Encoder {
 public:
  explicit Encoder(EncodeOptions options = {});
  ~Encoder();
  // A frame that stands alone: what a receiver without any memory reads, and what is kept on disk.
  //
  // Fails with kTooLarge when the frame exceeds a limit of limits.h; the caller splits it. Fails with kInvalid if the frame is
  // not consistent (an index out of range, a column of another length). Text from outside never makes a frame fail: what is not
  // UTF-8 is replaced (U+FFFD), what exceeds kStringBytesMax is cut, a double that is not finite is sent as null.
  // Targets and schemas that no batch uses are not sent. Rows of a source with keys may come out in another order.
  Result<Bytes> encode(const Frame& frame);

  // The next frame of a stream: what the dictionary holds is not sent again. After a failure the dictionary is empty.
  Result<Bytes> encode(const Frame& frame, SenderDictionary& dictionary);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// What the fixed header says; read without decompressing anything.
struct FrameHeader {
  std::uint8_t version = 0;
  std::uint8_t ignorable_flags = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  Codec codec = Codec::kNone;
  std::uint32_t payload_bytes = 0;
  std::uint32_t decoded_bytes = 0;
  std::uint64_t check = 0;
  std::uint64_t builds_on = 0;  // state of the dictionary that the receiver must have; 0: the frame stands alone

  [[nodiscard]] std::size_t bytes() const;  // of the header, before the payload
};
Result<FrameHeader> peek_header(ByteView bytes);

// Decodes frames one after the other with one decompression context. Not thread-safe. Every limit is checked before
// allocation; an error names offset, limit and value. kCorrupt, kTooLarge, kInvalid (an unknown version, must-understand flag or
// codec), or kNotFound: "dictionary wanted", the frame builds on a dictionary that this receiver does not hold.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Result<Frame> decode(ByteView bytes);  // one that stands alone
  // The next frame of a stream. A frame that stands alone starts the dictionary anew; after a failure it is what it was.
  Result<Frame> decode(ByteView bytes, ReceiverDictionary& dictionary);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::wire
