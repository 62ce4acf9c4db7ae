// What a collector is to its server, on disk: key, certificate and authority in one file, <state_dir>/identity.json, so that a crash
// cannot leave the key of one with the certificate of another.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace pga::uplink {

struct Credentials {
  Secret<std::string> key_pem;
  std::string certificate_pem;
  std::string ca_pem;
  WallTime not_before;  // of the certificate
  WallTime not_after;
};

// Nothing if this collector was never enrolled.
Result<std::optional<Credentials>> load_credentials(const std::filesystem::path& state_dir);

// Durable when it returns.
Result<Credentials> save_credentials(const std::filesystem::path& state_dir, const Secret<std::string>& key_pem,
                                     const std::string& certificate_pem, const std::string& ca_pem);

}  // namespace pga::uplink
