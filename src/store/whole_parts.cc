#include "store/whole_parts.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "base/files.h"
#include "base/limits.h"

namespace pga::store {
namespace {

constexpr std::string_view kUnlisted[] = {
    "checksums.txt", "columns.txt", "metadata_version.txt", "default_compression_codec.txt", "columns_substreams.txt", "txn_version.txt"};

// "checksums format version: 4\n", a checksum of 16 bytes, then a method (1 byte), the length from there on and the length when unpacked
// (4 bytes each, little endian).
std::optional<std::string> missing_of_checksums(std::string_view content) {
  constexpr std::string_view kFormat = "checksums format version: 4\n";
  constexpr std::size_t kBefore = kFormat.size() + 16;
  if (!kFormat.starts_with(content.substr(0, kFormat.size()))) return std::nullopt;  // a format that we do not know
  std::uint32_t length = 0;
  if (content.size() < kBefore + 1 + sizeof(length)) return "checksums.txt has no content";
  std::memcpy(&length, content.data() + kBefore + 1, sizeof(length));
  if (content.size() >= kBefore + length) return std::nullopt;
  return "checksums.txt has " + std::to_string(content.size()) + " of " + std::to_string(kBefore + length) + " bytes";
}

// "columns format version: 1\n6 columns:\n", then a line for each.
std::optional<std::string> missing_of_columns(std::string_view content) {
  const std::size_t first = content.find('\n');
  std::size_t columns = 0;
  if (first != std::string_view::npos) std::from_chars(content.data() + first + 1, content.data() + content.size(), columns);
  const auto lines = static_cast<std::size_t>(std::ranges::count(content, '\n'));
  if (columns > 0 && lines >= columns + 2) return std::nullopt;
  return "columns.txt has " + std::to_string(lines) + " lines for " + std::to_string(columns) + " columns";
}

Result<std::optional<std::string>> missing_of_unlisted(const std::filesystem::path& file, std::uint64_t bytes) {
  const std::string name = file.filename().string();
  if (bytes == 0) return std::optional<std::string>(name + " is empty");
  if (name != "checksums.txt" && name != "columns.txt" && name != "columns_substreams.txt") return std::optional<std::string>();
  PGA_TRY(const std::string content, read_file(file, 16 * kMiB));
  if (name == "checksums.txt") return missing_of_checksums(content);
  if (!content.ends_with('\n')) return std::optional<std::string>(name + " ends within a line");
  return name == "columns.txt" ? missing_of_columns(content) : std::nullopt;
}

}  // namespace

Result<std::optional<std::string>> missing_of_part(const std::filesystem::path& part, std::uint64_t bytes_believed) {
  std::error_code error;
  std::uint64_t bytes = 0;
  std::size_t unlisted = 0;
  for (std::filesystem::directory_iterator at(part, error), end; !error && at != end; at.increment(error)) {
    const std::uint64_t size = at->is_regular_file(error) ? at->file_size(error) : 0;
    if (error) break;
    if (std::ranges::find(kUnlisted, at->path().filename().string()) == std::end(kUnlisted)) {
      bytes += size;
      continue;
    }
    ++unlisted;
    PGA_TRY(std::optional<std::string> missing, missing_of_unlisted(at->path(), size));
    if (missing) return missing;
  }
  if (error == std::errc::no_such_file_or_directory) return Error{ErrorCode::kNotFound, "part " + part.string() + " is gone"};
  if (error) return unavailable("look at part " + part.string() + ": " + error.message());
  if (unlisted == 0) return std::optional<std::string>("its small files are missing");
  if (bytes >= bytes_believed) return std::optional<std::string>();
  return std::optional<std::string>("its files have " + std::to_string(bytes) + " of " + std::to_string(bytes_believed) + " bytes");
}

}  // namespace pga::store
