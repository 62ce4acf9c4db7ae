#include "state.h"

#include "base/files.h"
#include "directory/people.h"
#include "identity/password.h"
#include "key_files.h"

namespace pga::server {
namespace {

Status issue_certificate(const Config& config, const identity::KeyAndCertificate& authority, WallTime now) {
  PGA_TRY(const auto issued, identity::issue_server_certificate(authority, config.names, now, kServerCertificateLife));
  PGA_TRY_STATUS(write_pair(config.state_dir, "server", issued));
  std::string names;
  for (const std::string& name : config.names) names += name + "\n";
  return write_file_atomic(config.state_dir / "server.names", names);
}

Result<bool> certificate_is_good(const Config& config, WallTime now) {
  if (!is_there(config.state_dir / "server.pem") || !is_there(config.state_dir / "server.names")) return false;
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

  PGA_TRY_STATUS(make_first_authority(config, clock.now()));
  if (!is_there(config.state_dir / "token.key")) {
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
    if (!keys.empty() && !is_there(file)) break;
    PGA_TRY(Secret<std::string> key, read_key(file));
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
  State state;
  PGA_TRY(state.authority, load_authorities(config));
  PGA_TRY(state.token_keys, load_token_keys(config));
  PGA_TRY(const bool good, certificate_is_good(config, clock.now()));
  if (!good) {
    PGA_TRY_STATUS(issue_certificate(config, state.authority.authorities.signing, clock.now()));
  }
  PGA_TRY(state.certificate, read_pair(config.state_dir, "server"));
  return state;
}

}  // namespace pga::server
