// The server's configuration file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/result.h"
#include "ingest/enrolment.h"
#include "store/store.h"

namespace pga::server {

struct Config {
  std::filesystem::path file;
  std::filesystem::path state_dir;                   // absolute
  std::string listen_collectors = "127.0.0.1:8443";  // TLS 1.3 with client certificates
  std::string listen_people = "127.0.0.1:8080";
  bool people_tls = true;                                       // false only on a loopback address
  std::vector<std::string> names = {"localhost", "127.0.0.1"};  // of the server certificate
  bool takes_binary = true;                                     // frames of collectors: both formats, or JSON only
  std::string storage_url;                                      // of an existing ClickHouse; empty: the embedded engine
  std::filesystem::path engine_program;                         // default: beside this program
  std::filesystem::path engine_library;
  std::uint64_t engine_memory_bytes = 1 * kGiB;
  store::Retention retention;
  std::chrono::microseconds certificate_life = ingest::kCertificateLife;  // of collectors' certificates
  std::filesystem::path sources_dir;                                      // the user's own declarations; may be empty
  LogLevel log_level = LogLevel::kInfo;

  [[nodiscard]] bool embedded() const { return storage_url.empty(); }
};

// Errors are kInvalid and name file, line and key, and the nearest valid key.
Result<Config> load_config(const std::filesystem::path& file);

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080": only this machine can connect.
bool is_loopback(const std::string& address);

}  // namespace pga::server
