#include "ingest/enrolment.h"

#include <array>

#include "base/log.h"
#include "base/text.h"
#include "identity/token.h"

namespace pga::ingest {
namespace {

// RFC 9562 version 4.
std::string make_uuid(Random& random) {
  std::array<std::byte, 16> bytes{};
  random.fill(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string hex = to_hex(bytes);
  for (const std::size_t at : {20UL, 16UL, 12UL, 8UL}) hex.insert(at, 1, '-');
  return hex;
}

Error refused_token() { return {ErrorCode::kUnauthorized, "the enrolment token is not valid here: unknown, used up or expired"}; }

}  // namespace

net::Task<Result<Granted>> Enrolment::enrol(std::string token, std::string request_pem, std::string name, std::string address) {
  if (name.empty() || name.size() > kCollectorNameBytesMax || !is_utf8(name)) {
    co_return invalid("the name of a collector is text of 1 to " + std::to_string(kCollectorNameBytesMax) + " bytes");
  }
  co_return co_await loop_.run_blocking([&]() -> Result<Granted> {
    const auto work = [&]() -> Result<Granted> {
      const auto parsed = identity::parse_enrolment_token(token);
      if (!parsed) return refused_token();
      PGA_TRY(const auto authority, identity::read_certificate(authorities_.signing.certificate_pem));
      if (!equal_constant_time(parsed->ca_sha256, authority.sha256))
        return Error{ErrorCode::kUnauthorized, "the enrolment token is of another authority"};
      const std::string uuid = make_uuid(random_);
      // In the transaction that takes a use of the token: a request that cannot be signed takes none.
      std::string certificate;
      const auto certify = [&](const directory::Collector& collector) -> Result<directory::IssuedCertificate> {
        PGA_TRY(const Signed made, sign(collector, request_pem));
        certificate = made.certificate_pem;
        return made.issued;
      };
      PGA_TRY(const auto collector, fleet_.enrol(identity::stored_form(parsed->secret.read()), uuid, name, certify));
      if (!collector) return refused_token();
      return grant(*collector, certificate);
    };
    auto granted = work();
    record(granted ? std::optional(granted->collector.tenant) : std::nullopt, name,
           granted && granted->collector.waits_for_approval ? "enrol, to be approved" : "enrol",
           granted ? Status() : Status(granted.error()), address);
    return granted;
  });
}

net::Task<Result<Granted>> Enrolment::renew(directory::Collector collector, std::string replaced_serial, std::string request_pem,
                                            std::string address) {
  co_return co_await loop_.run_blocking([&]() -> Result<Granted> {
    const auto work = [&]() -> Result<Granted> {
      PGA_TRY(const Signed made, sign(collector, request_pem));
      PGA_TRY_STATUS(fleet_.record_certificate(collector.id, made.issued, replaced_serial));
      collector.certificate_serial = made.issued.serial;
      collector.certificate_used.reset();
      ++collector.generation;
      collector.previous_serial = replaced_serial;
      collector.certificate_expires = made.issued.expires;
      collector.signed_by = made.issued.signed_by;
      collector.knows = made.issued.knows;
      return grant(collector, made.certificate_pem);
    };
    auto granted = work();
    record(collector.tenant, collector.uuid, "renew", granted ? Status() : Status(granted.error()), address);
    return granted;
  });
}

Result<Enrolment::Signed> Enrolment::sign(const directory::Collector& collector, const std::string& request_pem) const {
  PGA_TRY(std::string certificate,
          identity::sign_collector_request(authorities_.signing, request_pem, registry_.uri(collector), clock_.now(), certificate_life_));
  PGA_TRY(const auto info, identity::read_certificate(certificate));
  PGA_TRY(const auto signing, identity::read_certificate(authorities_.signing.certificate_pem));
  PGA_TRY(const auto newest, identity::read_certificate(authorities_.newest_certificate_pem()));
  return Signed{std::move(certificate), {info.serial, info.not_after, signing.sha256, newest.sha256}};
}

Granted Enrolment::grant(directory::Collector collector, const std::string& certificate) {
  loop_.post([&registry = registry_, collector] { registry.put(collector); });
  return Granted{std::move(collector), certificate, authorities_.bundle_pem()};
}

net::Task<> Enrolment::note_refusal(const std::optional<directory::TenantId>& tenant, const std::string& actor, const Error& why,
                                    const std::string& address) {
  const SteadyTime now = clock_.steady_now();
  if (refusals_.size() >= kRefusalsRememberedMax) refusals_.clear();
  SteadyTime& noted = refusals_[actor + '\n' + why.message];
  const bool again = noted != SteadyTime() && now - noted < kRefusalNotedEvery;
  if (!again) noted = now;
  if (!again) co_await loop_.run_blocking([&] { record(tenant, actor, "authenticate", why, address); });
}

Result<std::string> Enrolment::access_token(const directory::Collector& collector, const net::PeerCertificate& peer) const {
  identity::CollectorClaims claims;
  claims.subject = registry_.uri(collector);
  claims.tenant = std::to_string(collector.tenant.value);
  claims.certificate_sha256 = peer.sha256;
  return tokens_.issue(claims);
}

Status Enrolment::check_access_token(std::string_view token, const directory::Collector& collector,
                                     const net::PeerCertificate& peer) const {
  const auto claims = tokens_.verify(token, peer.sha256);
  if (claims && claims->subject == registry_.uri(collector) && claims->tenant == std::to_string(collector.tenant.value)) return {};
  log_info("ingest", "access token of collector " + in_quotes(collector.name) +
                         " refused: " + (claims ? "it is another collector's" : claims.error().message));
  return Error{ErrorCode::kUnauthorized, "the access token is missing, expired, or not of this certificate; get one at /v1/token"};
}

void Enrolment::record(const std::optional<directory::TenantId>& tenant, std::string actor, std::string action, const Status& status,
                       std::string address) {
  directory::AuditEntry entry;
  entry.tenant = tenant;
  entry.actor = std::move(actor);
  entry.action = std::move(action);
  entry.outcome = status ? "ok" : "refused";
  entry.address = std::move(address);
  if (!status) entry.detail = status.error().message;
  const std::string text = entry.action + " of " + in_quotes(entry.actor) + " from " + entry.address + ": " + entry.outcome +
                           (entry.detail.empty() ? "" : ", " + entry.detail);
  status ? log_info("ingest", text) : log_warning("ingest", text);
  if (const Status recorded = audit_.record(entry); !recorded) log_error("ingest", "audit: " + recorded.error().message);
}

}  // namespace pga::ingest
