#include "authorities.h"

#include "base/files.h"
#include "base/text.h"
#include "key_files.h"

namespace pga::server {
namespace {

std::filesystem::path next_file(const Config& config) { return config.state_dir / "ca.next.pem"; }
std::filesystem::path previous_file(const Config& config) { return config.state_dir / "ca.previous.pem"; }
std::filesystem::path name_file(const Config& config) { return config.state_dir / "authority.name"; }

Status forget(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::remove(path, code);
  return code ? Status(tl::unexpected(invalid(path.string() + " cannot be removed: " + code.message()))) : Status();
}

Result<std::string> name_of(const std::string& certificate_pem) {
  PGA_TRY(const auto authority, identity::read_certificate(certificate_pem));
  PGA_TRY(const Bytes fingerprint, parse_base64url(authority.sha256));
  return to_hex(ByteView(fingerprint).first(16));
}

// The next one signs from here on. What makes it so is ca.pem; all before can be repeated, all after is repeated by whoever reads.
Status finish_promotion(const Config& config) {
  PGA_TRY(const auto next, read_pair(config.state_dir, "ca.next"));
  PGA_TRY_STATUS(write_file_atomic(config.state_dir / "ca.key", next.key_pem.read(), 0600));
  PGA_TRY_STATUS(forget(config.state_dir / "server.names"));  // the server's certificate is to be signed anew
  PGA_TRY_STATUS(forget(next_file(config)));
  return forget(config.state_dir / "ca.next.key");
}

Status promote(const Config& config, const identity::Authorities& authorities) {
  PGA_TRY_STATUS(write_file_atomic(previous_file(config), authorities.signing.certificate_pem, 0644));
  PGA_TRY_STATUS(write_file_atomic(config.state_dir / "ca.pem", authorities.next_certificate_pem, 0644));
  return finish_promotion(config);
}

}  // namespace

Status make_first_authority(const Config& config, WallTime now) {
  if (is_there(config.state_dir / "ca.pem")) return {};
  PGA_TRY(const auto authority, identity::make_authority("pgAnalytics authority", now, kAuthorityLife));
  return write_pair(config.state_dir, "ca", authority);
}

Result<AuthorityState> load_authorities(const Config& config) {
  if (!is_there(config.state_dir / "ca.pem")) {
    return Error{ErrorCode::kNotFound,
                 config.state_dir.string() + " is not initialised: run pganalytics-server init --config " + config.file.string()};
  }
  AuthorityState state;
  identity::Authorities& all = state.authorities;
  if (is_there(next_file(config))) {
    PGA_TRY(all.next_certificate_pem, read_file(next_file(config), kPemBytesMax));
    PGA_TRY(const std::string signing, read_file(config.state_dir / "ca.pem", kPemBytesMax));
    if (signing == all.next_certificate_pem) {
      all.next_certificate_pem.clear();
      PGA_TRY_STATUS(finish_promotion(config));
    } else {
      state.step = AuthorityStep::kNextMade;
    }
  }
  PGA_TRY(all.signing, read_pair(config.state_dir, "ca"));
  if (state.step == AuthorityStep::kOne && is_there(previous_file(config))) {
    PGA_TRY(all.previous_certificate_pem, read_file(previous_file(config), kPemBytesMax));
    state.step = AuthorityStep::kNextSigns;
  }
  if (is_there(name_file(config))) {
    PGA_TRY(state.name, read_file(name_file(config), kPemBytesMax));
  } else {
    PGA_TRY(state.name, name_of(all.signing.certificate_pem));
  }
  return state;
}

Result<std::vector<std::string>> not_ready(const AuthorityState& state, const std::vector<directory::Collector>& collectors, WallTime now) {
  std::vector<std::string> names;
  if (state.step == AuthorityStep::kOne) return names;
  PGA_TRY(const auto newest, identity::read_certificate(state.authorities.newest_certificate_pem()));
  for (const directory::Collector& c : collectors) {
    if (c.revoked || c.certificate_expires <= now) continue;
    const std::string& has = state.step == AuthorityStep::kNextMade ? c.knows : c.signed_by;
    if (has != newest.sha256) names.push_back(c.name);
  }
  return names;
}

Result<AuthorityStep> rotate_authority(const Config& config, WallTime now) {
  PGA_TRY(const AuthorityState state, load_authorities(config));
  switch (state.step) {
    case AuthorityStep::kOne: {
      PGA_TRY_STATUS(write_file_atomic(name_file(config), state.name, 0644));
      PGA_TRY(const auto next, identity::make_authority("pgAnalytics authority", now, kAuthorityLife));
      PGA_TRY_STATUS(write_pair(config.state_dir, "ca.next", next));
      return AuthorityStep::kNextMade;
    }
    case AuthorityStep::kNextMade:
      PGA_TRY_STATUS(promote(config, state.authorities));
      return AuthorityStep::kNextSigns;
    case AuthorityStep::kNextSigns:
      break;
  }
  PGA_TRY_STATUS(forget(previous_file(config)));
  return AuthorityStep::kOne;
}

}  // namespace pga::server
