#include "state.h"

#include <sys/stat.h>

#include "base/files.h"
#include "base/text.h"
#include "directory/people.h"
#include "identity/password.h"

namespace pga::server {
namespace {

constexpr std::size_t kPemBytesMax = 64 * kKiB;
constexpr std::size_t kKeyBytesMin = 64;  // of a PEM key; less is no key

// A key file that nobody else may read and that is not empty.
Result<Secret<std::string>> read_secret(const std::filesystem::path& path) {
  PGA_TRY(std::string text, read_file(path, kPemBytesMax));
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno_error(path.string());
  if ((info.st_mode & 077) != 0) return invalid(path.string() + " can be read by others than its owner: chmod 600 " + path.string());
  if (text.size() < kKeyBytesMin) return invalid(path.string() + " of " + std::to_string(text.size()) + " bytes holds no key");
  return Secret<std::string>(std::move(text));
}

Result<identity::KeyAndCertificate> read_pair(const std::filesystem::path& directory, const std::string& name) {
  identity::KeyAndCertificate pair;
  PGA_TRY(pair.key_pem, read_secret(directory / (name + ".key")));
  PGA_TRY(pair.certificate_pem, read_file(directory / (name + ".pem"), kPemBytesMax));
  return pair;
}

// The key first: a certificate that is there has its key.
Status write_pair(const std::filesystem::path& directory, const std::string& name, const identity::KeyAndCertificate& pair) {
  PGA_TRY_STATUS(write_file_atomic(directory / (name + ".key"), pair.key_pem.read()));
  return write_file_atomic(directory / (name + ".pem"), pair.certificate_pem, 0644);
}

bool there(const std::filesystem::path& path) {
  std::error_code code;
  return std::filesystem::exists(path, code);
}

Status issue_certificate(const Config& config, const identity::KeyAndCertificate& authority, WallTime now) {
  PGA_TRY(const auto issued, identity::issue_server_certificate(authority, config.names, now, kServerCertificateLife));
  PGA_TRY_STATUS(write_pair(config.state_dir, "server", issued));
  std::string names;
  for (const std::string& name : config.names) names += name + "\n";
  return write_file_atomic(config.state_dir / "server.names", names);
}

Result<bool> certificate_is_good(const Config& config, WallTime now) {
  if (!there(config.state_dir / "server.pem") || !there(config.state_dir / "server.names")) return false;
  PGA_TRY(const std::string pem, read_file(config.state_dir / "server.pem", kPemBytesMax));
  PGA_TRY(const auto info, identity::read_certificate(pem));
  PGA_TRY(const std::string issued_for, read_file(config.state_dir / "server.names", kPemBytesMax));
  std::string names;
  for (const std::string& name : config.names) names += name + "\n";
  return info.not_after - now > kServerCertificateRenewBefore && names == issued_for;
}

}  // namespace

std::filesystem::path database_file(const Config& config) { return config.state_dir / "directory.sqlite"; }

Result<Administrator> initialise(const Config& config, const std::string& administrator, const Clock& clock, Random& random) {
  PGA_TRY_STATUS(make_directories(config.state_dir));
  PGA_TRY(const auto database, directory::Database::open(database_file(config)));
  directory::People people(*database, clock);
  PGA_TRY(const std::int64_t users, people.count_users());
  if (users > 0) return invalid(config.state_dir.string() + " is initialised already and has an administrator");

  if (!there(config.state_dir / "ca.pem")) {
    PGA_TRY(const auto authority, identity::make_authority("pgAnalytics authority", clock.now(), kAuthorityLife));
    PGA_TRY_STATUS(write_pair(config.state_dir, "ca", authority));
  }
  if (!there(config.state_dir / "token.key")) {
    PGA_TRY(const auto key, identity::make_signing_key());
    PGA_TRY_STATUS(write_file_atomic(config.state_dir / "token.key", key.read()));
  }
  PGA_TRY_STATUS(load_state(config, clock));

  // The administrator last: a run that was cut short before can be repeated.
  const Secret<std::string> password = identity::make_one_time_password(random);
  PGA_TRY(const std::string hash, identity::hash_password(password, random));
  PGA_TRY_STATUS(people.create_user(directory::kDefaultTenant, administrator, "administrator", hash));
  return Administrator{administrator, password};
}

Result<std::vector<Secret<std::string>>> load_token_keys(const Config& config) {
  std::vector<Secret<std::string>> keys;
  for (const char* name : {"token.key", "token.previous.key"}) {
    const auto file = config.state_dir / name;
    if (!keys.empty() && !there(file)) break;
    PGA_TRY(Secret<std::string> key, read_secret(file));
    keys.push_back(std::move(key));
  }
  return keys;
}

Status rotate_token_key(const Config& config) {
  PGA_TRY(const auto keys, load_token_keys(config));
  PGA_TRY(const auto made, identity::make_signing_key());
  // In this order: a crash in between leaves the present key in both places.
  PGA_TRY_STATUS(write_file_atomic(config.state_dir / "token.previous.key", keys.front().read(), 0600));
  return write_file_atomic(config.state_dir / "token.key", made.read(), 0600);
}

Result<State> load_state(const Config& config, const Clock& clock) {
  if (!there(config.state_dir / "ca.pem")) {
    return Error{ErrorCode::kNotFound,
                 config.state_dir.string() + " is not initialised: run pganalytics-server init --config " + config.file.string()};
  }
  State state;
  PGA_TRY(state.authority, read_pair(config.state_dir, "ca"));
  PGA_TRY(state.token_keys, load_token_keys(config));
  PGA_TRY(const bool good, certificate_is_good(config, clock.now()));
  if (!good) {
    PGA_TRY_STATUS(issue_certificate(config, state.authority, clock.now()));
  }
  PGA_TRY(state.certificate, read_pair(config.state_dir, "server"));
  PGA_TRY(const auto authority, identity::read_certificate(state.authority.certificate_pem));
  PGA_TRY(const Bytes fingerprint, parse_base64url(authority.sha256));
  state.authority_name = to_hex(ByteView(fingerprint).first(16));
  return state;
}

}  // namespace pga::server
