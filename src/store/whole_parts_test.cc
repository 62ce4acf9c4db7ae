#include "store/whole_parts.h"

#include <doctest/doctest.h>

#include <fstream>

#include "base/temporary_folder_for_test.h"

namespace pga::store {
namespace {

void write(const std::filesystem::path& file, std::string_view content) { std::ofstream(file, std::ios::binary) << content; }

// As an engine of version 26.7 writes it: a checksum, LZ4 (0x82), 9 + 3 bytes from the method on.
std::string checksums() {
  using namespace std::string_literals;
  return "checksums format version: 4\n" + std::string(16, 'c') + "\x82\x0c\0\0\0\x40\0\0\0"s + "abc";
}

void write_part(const std::filesystem::path& part) {
  std::filesystem::create_directories(part);
  write(part / "data.bin", "0123456789");
  write(part / "count.txt", "10");
  write(part / "checksums.txt", checksums());
  write(part / "columns.txt", "columns format version: 1\n2 columns:\n`a` Int64\n`b` Int64\n");
  write(part / "columns_substreams.txt", "columns substreams version: 1\n1 columns:\n1 substreams for column `a`:\n\ta\n");
  write(part / "metadata_version.txt", "0");
  write(part / "default_compression_codec.txt", "CODEC(LZ4)");
}

constexpr std::uint64_t kBytes = 12;  // of data.bin and count.txt

TEST_CASE("a part is whole when its files have what the engine believes") {
  const TemporaryFolder folder;
  const auto part = folder.path / "all_1_1_0";
  write_part(part);
  CHECK(missing_of_part(part, kBytes).value() == std::nullopt);
  CHECK(missing_of_part(part, kBytes - 1).value() == std::nullopt);
  std::filesystem::create_directory(part / "projection");
  CHECK(missing_of_part(part, kBytes).value() == std::nullopt);
  CHECK(missing_of_part(folder.path / "all_2_2_0", kBytes).error().code == ErrorCode::kNotFound);
}

TEST_CASE("what is missing of a part is said") {
  struct Case {
    const char* what;
    const char* file;
    std::string content;
    const char* says;
  };
  const Case cases[] = {
      {"fewer bytes of data", "data.bin", "01234", "its files have 7 of 12 bytes"},
      {"no data", "data.bin", "", "its files have 2 of 12 bytes"},
      {"no checksums", "checksums.txt", "", "checksums.txt is empty"},
      {"only the format of the checksums", "checksums.txt", "checksums format version: 4\n", "checksums.txt has no content"},
      {"a checksum and nothing behind it", "checksums.txt", checksums().substr(0, 44), "checksums.txt has no content"},
      {"checksums that are cut", "checksums.txt", checksums().substr(0, checksums().size() - 1), "checksums.txt has 55 of 56 bytes"},
      {"columns without their names", "columns.txt", "columns format version: 1\n2 columns:\n`a` Int64\n",
       "columns.txt has 3 lines for 2 columns"},
      {"columns that end within a line", "columns.txt", "columns format version: 1\n2 columns:\n`a` Int64\n`b",
       "columns.txt ends within a line"},
      {"columns without a number", "columns.txt", "\n", "columns.txt has 1 lines for 0 columns"},
      {"an empty version", "metadata_version.txt", "", "metadata_version.txt is empty"},
      {"substreams that end within a line", "columns_substreams.txt", "columns sub", "columns_substreams.txt ends within a line"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const TemporaryFolder folder;
    const auto part = folder.path / "all_1_1_0";
    write_part(part);
    write(part / c.file, c.content);
    CHECK(missing_of_part(part, kBytes).value() == std::optional<std::string>(c.says));
  }
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path / "empty");
  CHECK(missing_of_part(folder.path / "empty", 0).value() == std::optional<std::string>("its small files are missing"));
}

TEST_CASE("checksums of a format that we do not know are left alone") {
  const TemporaryFolder folder;
  const auto part = folder.path / "all_1_1_0";
  write_part(part);
  write(part / "checksums.txt", "checksums format version: 5\nx");
  CHECK(missing_of_part(part, kBytes).value() == std::nullopt);
}

}  // namespace
}  // namespace pga::store
