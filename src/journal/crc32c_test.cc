#include "journal/crc32c.h"

#include <doctest/doctest.h>

#include <boost/crc.hpp>
#include <random>

namespace pga::journal {
namespace {

TEST_CASE("crc32c gives the check values of RFC 3720 and of the catalogue of CRCs") {
  CHECK(crc32c(0, as_bytes("123456789")) == 0xE3069283);
  CHECK(crc32c(0, Bytes(32, std::byte{0})) == 0x8A9136AA);
  CHECK(crc32c(0, Bytes(32, std::byte{0xff})) == 0x62A8AB43);
  CHECK(crc32c(0, {}) == 0);
}

TEST_CASE("crc32c agrees with Boost.CRC for every length and split") {
  std::mt19937 random(7);
  Bytes bytes(100);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    boost::crc_optimal<32, 0x1EDC6F41, 0xffffffff, 0xffffffff, true, true> other;
    other.process_bytes(bytes.data(), n);
    CHECK(crc32c(0, ByteView(bytes).first(n)) == other.checksum());
    const std::size_t split = n / 3;
    CHECK(crc32c(crc32c(0, ByteView(bytes).first(split)), ByteView(bytes).subspan(split, n - split)) == other.checksum());
  }
}

}  // namespace
}  // namespace pga::journal
