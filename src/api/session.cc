#include "api/session.h"

#include <boost/json.hpp>

#include "api/problem.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/token.h"

namespace pga::api {
namespace {

namespace json = boost::json;

json::object session_json(const std::string& name, const std::string& role, const std::string& csrf) {
  return {{"user", json::object{{"name", name}, {"role", role}}}, {"csrf", csrf}};
}

struct Credentials {
  std::string name;
  Secret<std::string> password;
};

Result<Credentials> read_credentials(const std::string& body) {
  boost::system::error_code code;
  const json::value value = json::parse(body, code);
  if (code || !value.is_object()) return invalid("the body is not a JSON object");
  const json::object& object = value.get_object();
  const auto* name = object.if_contains("name");
  const auto* password = object.if_contains("password");
  if (object.size() != 2 || name == nullptr || password == nullptr || !name->is_string() || !password->is_string()) {
    return invalid("the body has the members name and password, both text, and no others");
  }
  Credentials credentials{.name = std::string(name->get_string()), .password = Secret<std::string>(std::string(password->get_string()))};
  if (credentials.name.empty() || credentials.name.size() > kUserNameBytesMax)
    return invalid("name is text of 1 to " + std::to_string(kUserNameBytesMax) + " bytes");
  return credentials;
}

}  // namespace

Sessions::Sessions(net::Loop& loop, const Clock& clock, Random& random, directory::People& people, directory::Audit& audit,
                   SessionOptions options)
    : loop_(loop),
      random_(random),
      people_(people),
      audit_(audit),
      options_(options),
      nobody_hash_(identity::hash_password(identity::make_token(random), random, options.cost).value()),
      accounts_(options.per_account, clock),
      addresses_(options.per_address, clock) {}

void Sessions::add_handlers(Handlers& handlers) {
  handlers["login"] = [this](Call& call) { return login(call); };
  handlers["logout"] = [this](Call& call) { return logout(call); };
  handlers["getSession"] = [](Call& call) -> net::Task<Result<net::Response>> {
    co_return json_answer(session_json(call.session->user_name, call.session->role, call.session->csrf));
  };
}

Result<std::optional<directory::User>> Sessions::check(const std::string& name, const Secret<std::string>& password) {
  PGA_TRY(auto user, people_.find_user(name));
  PGA_TRY(const bool right, identity::verify_password(password, user ? user->password_hash : nobody_hash_));
  if (!right || !user) return std::optional<directory::User>();
  if (identity::needs_rehash(user->password_hash, options_.cost)) {
    PGA_TRY(const std::string hash, identity::hash_password(password, random_, options_.cost));
    PGA_TRY_STATUS(people_.replace_password_hash(user->id, hash));
  }
  return user;
}

net::Task<Result<net::Response>> Sessions::login(Call& call) {
  PGA_CO_TRY(const Credentials given, read_credentials(call.request.body));
  if (!same_site(call.request)) co_return problem(403, "this request comes from a page of another site");
  const std::string& address = call.request.remote_address;
  auto wait = addresses_.take(address);
  const std::string guesser = address + " " + given.name;
  if (!wait) wait = accounts_.take(guesser);
  if (!wait && hashes_waiting_ >= kHashesWaitingMax) wait = std::chrono::seconds(1);
  if (wait) co_return problem(429, "too many attempts to sign in; wait " + std::to_string(wait->count()) + " s", wait);

  const Secret<std::string> token = identity::make_token(random_);
  const Secret<std::string> csrf = identity::make_token(random_);
  ++hashes_waiting_;
  const auto user = co_await loop_.run_blocking([&]() -> Result<std::optional<directory::User>> {
    PGA_TRY(auto found, check(given.name, given.password));
    directory::AuditEntry entry;
    if (found) entry.tenant = found->tenant;
    entry.actor = given.name;
    entry.action = "login";
    entry.outcome = found ? "ok" : "refused";
    entry.address = address;
    PGA_TRY_STATUS(audit_.record(entry));
    if (found) PGA_TRY_STATUS(people_.open_session(identity::stored_form(token.read()), found->id, csrf.read()));
    return found;
  });
  --hashes_waiting_;
  if (!user) co_return user.error();
  if (!*user) {
    log_warning("api", "login of " + in_quotes(given.name) + " from " + address + ": refused");
    co_return problem(401, "the name or the password is wrong");
  }
  accounts_.give_back(guesser);
  addresses_.give_back(address);
  net::Response response = json_answer(session_json((*user)->name, (*user)->role, csrf.read()));
  response.headers.add("Set-Cookie", set_cookie(token.read(), directory::kSessionLife));
  co_return response;
}

net::Task<Result<net::Response>> Sessions::logout(Call& call) {
  const auto token = token_of(call.request);
  if (token) {
    PGA_CO_TRY_STATUS(co_await loop_.run_blocking([&] { return people_.close_session(identity::stored_form(*token)); }));
  }
  net::Response response;
  response.status = 204;
  response.headers.add("Set-Cookie", set_cookie("", std::chrono::seconds(0)));
  co_return response;
}

net::Task<std::optional<net::Response>> Sessions::guard(Call& call) {
  const auto token = token_of(call.request);
  if (!token) co_return problem(401, "nobody is signed in");
  auto session = co_await loop_.run_blocking([&] { return people_.use_session(identity::stored_form(*token)); });
  if (!session) co_return problem(session.error());
  if (!*session) co_return problem(401, "the session is over; sign in again");
  if (call.request.method != "GET") {
    const auto csrf = call.request.headers.find("X-CSRF-Token");
    if (!csrf || !equal_constant_time(*csrf, (*session)->csrf))
      co_return problem(403, "X-CSRF-Token is missing or not that of this session");
    if (!same_site(call.request)) co_return problem(403, "this request comes from a page of another site");
  }
  call.session = std::move(**session);
  co_return std::nullopt;
}

std::string Sessions::set_cookie(std::string_view value, std::chrono::seconds life) const {
  return std::string(options_.tls ? "__Host-pga=" : "pga=") + std::string(value) +
         "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(life.count()) + (options_.tls ? "; Secure" : "");
}

std::optional<std::string> Sessions::token_of(const net::Request& request) const {
  const auto header = request.headers.find("Cookie");
  if (!header) return std::nullopt;
  auto value = cookie_value(*header, options_.tls ? "__Host-pga" : "pga");
  if (!value || value->empty() || value->size() > 128) return std::nullopt;
  return value;
}

std::optional<std::string> cookie_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto end = header.find(';');
    std::string_view pair = header.substr(0, end);
    header = end == std::string_view::npos ? "" : header.substr(end + 1);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) return std::string(pair.substr(equals + 1));
  }
  return std::nullopt;
}

bool same_site(const net::Request& request) {
  const auto site = request.headers.find("Sec-Fetch-Site");
  if (site && *site != "same-origin" && *site != "none") return false;
  const auto origin = request.headers.find("Origin");
  if (!origin) return true;
  const auto host = request.headers.find("Host");
  const auto scheme_end = origin->find("://");
  return host && scheme_end != std::string_view::npos && origin->substr(scheme_end + 3) == *host;
}

}  // namespace pga::api
