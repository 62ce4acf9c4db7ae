// Keys and certificates as files below state_dir.
#pragma once

#include <filesystem>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "identity/ca.h"

namespace pga::server {

inline constexpr std::size_t kPemBytesMax = 64 * kKiB;

bool is_there(const std::filesystem::path& path);
// kInvalid: others than its owner may read the file, or it holds no key.
Result<Secret<std::string>> read_key(const std::filesystem::path& path);
Result<identity::KeyAndCertificate> read_pair(const std::filesystem::path& directory, const std::string& name);
// The key first: a certificate that is there has its key.
Status write_pair(const std::filesystem::path& directory, const std::string& name, const identity::KeyAndCertificate& pair);

}  // namespace pga::server
