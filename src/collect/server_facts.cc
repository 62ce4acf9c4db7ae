#include "collect/server_facts.h"

#include "catalog/catalog.h"

namespace pga::collect {
namespace {

constexpr std::chrono::minutes kAgain{10};
constexpr const char* kSql =
    "SELECT 0, extname::text, nspname::text FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
    "UNION ALL SELECT 1, rolname::text, NULL FROM pg_roles WHERE NOT rolcanlogin AND pg_has_role(current_user, oid, 'USAGE') "
    "UNION ALL SELECT 2, nspname::text, NULL FROM pg_namespace WHERE nspname = 'pganalytics' AND has_schema_privilege(oid, 'USAGE')";

}  // namespace

net::Task<std::optional<pg::Failure>> ServerFacts::refresh(pg::Connection& connection, Deadline deadline) {
  const SteadyTime now = clock_.steady_now();
  if (asked_ && now - asked_at_ < kAgain) co_return std::nullopt;
  auto rows = co_await connection.query(kSql, deadline);
  if (!rows) co_return std::move(rows).error();
  std::set<std::string> roles;
  std::map<std::string, std::string> extensions;
  bool helper = false;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const std::string name(rows->at(i, 1).value_or(""));
    const std::string_view kind = rows->at(i, 0).value_or("");
    if (kind == "2") {
      helper = true;
    } else if (kind == "0") {
      extensions[name] = catalog::quote_identifier(rows->at(i, 2).value_or(""));
    } else {
      roles.insert(name);
    }
  }
  if (!asked_ || roles != roles_ || extensions != extensions_ || helper != helper_) ++version_;
  roles_ = std::move(roles);
  extensions_ = std::move(extensions);
  helper_ = helper;
  asked_ = true;
  asked_at_ = now;
  co_return std::nullopt;
}

std::optional<std::string> ServerFacts::extension(const std::string& name) const {
  const auto found = extensions_.find(name);
  return found == extensions_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace pga::collect
