// CRC-32C (Castagnoli), table driven: 8 bytes a step, the same on every processor.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace pga::journal {

// Continues `crc`, the result for the bytes before; 0 to begin.
std::uint32_t crc32c(std::uint32_t crc, ByteView bytes);

}  // namespace pga::journal
