// Whether the files of a part have what the engine believes to be in them. On a disk that is full for a moment it calls inserts and merges
// done whose files it could not write; it would notice when it reads them, or at its next start.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace pga::store {

// `bytes_believed`: system.parts.bytes_on_disk, which leaves out the files that checksums.txt does not list. The answer is what is missing,
// for a person; nothing when the part is whole, or has more than was asked for. kNotFound: it goes away just now.
Result<std::optional<std::string>> missing_of_part(const std::filesystem::path& part, std::uint64_t bytes_believed);

}  // namespace pga::store
