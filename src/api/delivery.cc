#include "api/delivery.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/json.h"
#include "api/problem.h"
#include "base/text.h"

namespace pga::api {
namespace {

// Members of a JSON object that must be text; others are ignored, so that a newer collector may say more.
Result<std::vector<std::string>> read_texts(const std::string& body, std::initializer_list<const char*> names) {
  boost::system::error_code code;
  const json::value value = json::parse(body, code);
  if (code || !value.is_object()) return invalid("the body is not a JSON object");
  std::vector<std::string> texts;
  for (const char* name : names) {
    const json::value* member = value.get_object().if_contains(name);
    if (member == nullptr || !member->is_string()) return invalid(std::string("the body has no text ") + name);
    texts.emplace_back(member->get_string());
  }
  return texts;
}

constexpr std::size_t kRefusalBytesMax = 2'000;

struct ToldConfiguration {
  std::int64_t version = 0;
  std::optional<std::string> refused;
};

Result<ToldConfiguration> read_told_configuration(const std::string& body) {
  boost::system::error_code code;
  const json::value value = json::parse(body, code);
  if (code || !value.is_object()) return invalid("the body is not a JSON object");
  const json::value* version = value.get_object().if_contains("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() < 0) return invalid("the body has no number version");
  ToldConfiguration told{version->get_int64(), std::nullopt};
  const json::value* refused = value.get_object().if_contains("refused");
  if (refused == nullptr || refused->is_null()) return told;
  if (!refused->is_string() || !is_utf8(refused->get_string())) return invalid("refused is neither text nor null");
  told.refused = std::string(refused->get_string());
  if (told.refused->size() > kRefusalBytesMax) told.refused = to_valid_utf8(told.refused->substr(0, kRefusalBytesMax));
  return told;
}

net::Response granted_answer(const ingest::Granted& granted) {
  return json_answer(json::object{{"collector_id", granted.collector.id.value},
                                  {"certificate", granted.certificate_pem},
                                  {"ca", granted.authorities_pem},
                                  {"expires", to_ms(granted.collector.certificate_expires)}});
}

net::Task<Result<net::Response>> enrol(DeliveryContext& context, Call& call) {
  PGA_CO_TRY(const auto texts, read_texts(call.request.body, {"token", "csr", "name"}));
  const auto wait = context.enrolments.take(call.request.remote_address);
  if (wait) co_return problem(429, "too many attempts to enrol from " + call.request.remote_address, wait);
  PGA_CO_TRY(const auto granted, co_await context.enrolment.enrol(texts[0], texts[1], texts[2], call.request.remote_address));
  context.enrolments.give_back(call.request.remote_address);
  co_return granted_answer(granted);
}

net::Task<Result<net::Response>> renew(DeliveryContext& context, Call& call) {
  PGA_CO_TRY(const auto texts, read_texts(call.request.body, {"csr"}));
  const auto wait = context.enrolments.take("renew " + call.collector->uuid);
  if (wait) co_return problem(429, "this collector renews its certificate too often", wait);
  PGA_CO_TRY(const auto granted,
             co_await context.enrolment.renew(*call.collector, call.request.peer->serial, texts[0], call.request.remote_address));
  co_return granted_answer(granted);
}

net::Task<Result<net::Response>> token(DeliveryContext& context, Call& call) {
  PGA_CO_TRY(const std::string issued, context.enrolment.access_token(*call.collector, *call.request.peer));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(identity::kJwtLife).count();
  co_return json_answer(
      json::object{{"token", issued}, {"expires", to_ms(context.clock.now() + identity::kJwtLife)}, {"expires_in", seconds}});
}

// What the collector has, and what it thinks of it; the answer is what it should have.
net::Task<Result<net::Response>> sync_configuration(DeliveryContext& context, Call& call) {
  const auto wait = context.enrolments.take("configuration " + call.collector->uuid);
  if (wait) co_return problem(429, "this collector asks for its configuration too often", wait);
  PGA_CO_TRY(const auto told, read_told_configuration(call.request.body));
  PGA_CO_TRY(const auto wanted, co_await context.registry.sync_configuration(*call.collector, told.version, told.refused));
  if (wanted.version == told.version) co_return json_answer(json::object{{"version", wanted.version}});
  co_return json_answer(json::object{{"version", wanted.version}, {"yaml", wanted.yaml}});
}

net::Task<Result<net::Response>> push_frames(DeliveryContext& context, Call& call) {
  const auto header = call.request.headers.find("Content-Type").value_or("");
  const std::string_view type = header.substr(0, header.find(';'));
  if (type == ingest::kFrameType && !context.takes_binary)
    co_return problem(415, "this server is configured to take frames as " + std::string(ingest::kJsonType) + " only");
  const auto admission = context.flow.admit(*call.collector, call.request.body.size());
  if (admission.lease == nullptr) co_return problem(429, admission.why, admission.wait);
  const auto answer = co_await context.ingest.push(*call.collector, type, call.request.body);
  if (!answer) {
    if (answer.error().code == ErrorCode::kNotFound) co_return problem(409, answer.error().message);  // dictionary wanted
    co_return answer.error();
  }
  co_return json_answer(json::object{{"sequence", answer->sequence},
                                     {"rows", answer->rows},
                                     {"acked", answer->acknowledged},
                                     {"duplicate", answer->duplicate},
                                     {"dictionary", to_hex(answer->dictionary)},
                                     {"configuration", call.collector->configuration}});
}

net::Task<std::optional<net::Response>> guard_certificate(DeliveryContext& context, Call& call) {
  if (!call.request.peer) co_return problem(401, "this needs a client certificate; enrol first");
  auto collector = co_await context.registry.identify(*call.request.peer);
  if (!collector) {
    const std::optional<directory::TenantId> nobody;
    co_await context.enrolment.note_refusal(nobody, call.request.peer->uri, collector.error(), call.request.remote_address);
    net::Response refusal = problem(collector.error());
    refusal.close = true;
    co_return refusal;
  }
  call.collector = std::move(*collector);
  co_return std::nullopt;
}

net::Task<std::optional<net::Response>> guard_token(DeliveryContext& context, Call& call) {
  auto refusal = co_await guard_certificate(context, call);
  if (refusal) co_return refusal;
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view header = call.request.headers.find("Authorization").value_or("");
  const std::string_view given = header.starts_with(kBearer) ? header.substr(kBearer.size()) : "";
  const Status good = context.enrolment.check_access_token(given, *call.collector, *call.request.peer);
  if (!good) {
    // Without a token it is only asked for one, which is every day's business.
    const std::optional<directory::TenantId> tenant = call.collector->tenant;
    if (!given.empty()) co_await context.enrolment.note_refusal(tenant, call.collector->uuid, good.error(), call.request.remote_address);
    co_return problem(good.error());
  }
  co_return std::nullopt;
}

net::Task<std::optional<net::Response>> guard_nothing() { co_return std::nullopt; }

}  // namespace

Handlers delivery_handlers(DeliveryContext& context) {
  return {{"enrol", [&context](Call& call) { return enrol(context, call); }},
          {"renew", [&context](Call& call) { return renew(context, call); }},
          {"token", [&context](Call& call) { return token(context, call); }},
          {"syncConfiguration", [&context](Call& call) { return sync_configuration(context, call); }},
          {"pushFrames", [&context](Call& call) { return push_frames(context, call); }}};
}

Guards delivery_guards(DeliveryContext& context) {
  return {// The token is in the body: the handler is the guard, and takes a use of it.
          {Policy::kEnrolmentToken, [](Call&) { return guard_nothing(); }},
          {Policy::kCertificate, [&context](Call& call) { return guard_certificate(context, call); }},
          {Policy::kCertificateAndToken, [&context](Call& call) { return guard_token(context, call); }}};
}

}  // namespace pga::api
