#include "uplink/credentials.h"

#include <boost/json.hpp>

#include "base/files.h"
#include "base/limits.h"
#include "identity/ca.h"

namespace pga::uplink {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = 256 * kKiB;

std::filesystem::path file_in(const std::filesystem::path& state_dir) { return state_dir / "identity.json"; }

Result<std::string> member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return corrupt("it has no text \"" + std::string(name) + "\"");
  return std::string(value->get_string());
}

Result<Credentials> parse(const std::string& text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return corrupt("it is not a JSON object");
  Credentials credentials;
  PGA_TRY(std::string key, member(parsed.get_object(), "key"));
  PGA_TRY(credentials.certificate_pem, member(parsed.get_object(), "certificate"));
  PGA_TRY(credentials.ca_pem, member(parsed.get_object(), "ca"));
  PGA_TRY(const identity::CertificateInfo info, identity::read_certificate(credentials.certificate_pem));
  credentials.key_pem = Secret<std::string>(std::move(key));
  credentials.not_before = info.not_before;
  credentials.not_after = info.not_after;
  return credentials;
}

}  // namespace

Result<std::optional<Credentials>> load_credentials(const std::filesystem::path& state_dir) {
  const auto text = read_file(file_in(state_dir), kFileBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::optional<Credentials>();
  if (!text) return text.error();
  auto credentials = parse(*text);
  if (!credentials) return credentials.error().with_context(file_in(state_dir).string());
  return std::optional<Credentials>(std::move(*credentials));
}

Result<Credentials> save_credentials(const std::filesystem::path& state_dir, const Secret<std::string>& key_pem,
                                     const std::string& certificate_pem, const std::string& ca_pem) {
  auto info = identity::read_certificate(certificate_pem);
  if (!info) return info.error().with_context("the certificate that the server sent");
  const json::object file = {{"key", key_pem.read()}, {"certificate", certificate_pem}, {"ca", ca_pem}};
  PGA_TRY_STATUS(make_directories(state_dir));
  PGA_TRY_STATUS(write_file_atomic(file_in(state_dir), json::serialize(file), 0600));
  return Credentials{key_pem, certificate_pem, ca_pem, info->not_before, info->not_after};
}

}  // namespace pga::uplink
