// The fixed header: docs/wire.md, section "Header".
#pragma once

#include "wire/codec.h"

namespace pga::wire {

inline constexpr std::size_t kHeaderBytes = 40;
inline constexpr std::size_t kCheckAt = 32;
inline constexpr std::size_t kStateBytes = 8;        // behind the header of a frame that builds on a dictionary
inline constexpr std::uint8_t kBuildsOnFlag = 0x01;  // must be understood
inline constexpr std::uint32_t kMagic = 0x46414750;  // "PGAF"
inline constexpr std::uint8_t kVersion = 1;

inline constexpr std::size_t kKindCount = 5;
inline constexpr std::size_t kTypeCount = 5;
inline constexpr std::size_t kOutcomeCount = 8;

// `text` as it may be sent: UTF-8 (broken bytes replaced, then kept in `replaced`) of at most kStringBytesMax bytes.
std::string_view sendable_text(std::string_view text, std::string& replaced);

// Writes a header with its check value, which is returned, into `frame`: kHeaderBytes, then kStateBytes if builds_on is not 0,
// then the payload as sent. Of `header` the payload's size and the version are not read.
std::uint64_t write_header(Bytes& frame, const FrameHeader& header);

// Writes the header of a frame without codec that stands alone and is number 1 of epoch 1: what tests and fuzz targets put around a
// payload of their own.
inline void write_alone_header(Bytes& frame, std::uint64_t builds_on = 0) {
  const std::size_t header = kHeaderBytes + (builds_on != 0 ? kStateBytes : 0);
  write_header(frame,
               {.epoch = 1, .sequence = 1, .decoded_bytes = static_cast<std::uint32_t>(frame.size() - header), .builds_on = builds_on});
}

// xxh3-64 of the header before the check value and of everything behind the header.
std::uint64_t frame_check(ByteView frame);

}  // namespace pga::wire
