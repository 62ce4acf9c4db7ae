// pganalytics-server: takes frames from collectors, keeps them, and answers people.
#include <CLI/CLI.hpp>

#include "base/text.h"
#include "verbs.h"

int main(int argc, char** argv) {
  using namespace pga;
  std::string config_file = "/etc/pganalytics/server.yaml";
  std::string administrator = "admin";
  std::int64_t uses = 1;
  std::string life = "1h";
  bool json = false;
  bool markdown = false;

  CLI::App app{"Takes frames from pganalytics-collectors, keeps them, and answers people."};
  app.set_version_flag("--version", "pganalytics-server " PGA_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 failed while running, 2 configuration, 3 state directory, 4 cannot listen or no engine.");
  const auto with_config = [&](CLI::App* verb) {
    verb->add_option("--config", config_file, "configuration file")->capture_default_str();
    return verb;
  };
  CLI::App* const init =
      with_config(app.add_subcommand("init", "make authority, keys, directory and an administrator; prints the one-time password"));
  init->add_option("--admin", administrator, "name of the administrator")->capture_default_str();
  init->add_flag("--json", json, "print JSON");
  CLI::App* const run = with_config(app.add_subcommand("run", "serve until SIGTERM"));
  CLI::App* const check = with_config(app.add_subcommand("check", "read configuration, declarations and state, say what is wrong, exit"));
  CLI::App* const token = app.add_subcommand("token", "enrolment tokens of collectors");
  token->require_subcommand(1);
  CLI::App* const create = with_config(token->add_subcommand("create", "make a token; it is printed once"));
  create->add_option("--uses", uses, "collectors that may enrol with it")->capture_default_str()->check(CLI::Range(1, 10'000));
  create->add_option("--ttl", life, "how long it can be used: 30m, 1h, 7d")->capture_default_str();
  create->add_flag("--json", json, "print JSON");
  std::string uuid;
  CLI::App* const collector = app.add_subcommand("collector", "the enrolled collectors");
  collector->require_subcommand(1);
  CLI::App* const list = with_config(collector->add_subcommand("list", "print uuid and name of each"));
  list->add_flag("--json", json, "print JSON");
  CLI::App* const revoke = with_config(collector->add_subcommand("revoke", "refuse a collector for good; it must enrol again"));
  revoke->add_option("uuid", uuid, "of the collector, from collector list")->required();
  revoke->add_flag("--json", json, "print JSON");
  CLI::App* const unlock = with_config(
      collector->add_subcommand("unlock", "let a collector in again that was locked because an old certificate of it came back"));
  unlock->add_option("uuid", uuid, "of the collector, from collector list")->required();
  unlock->add_flag("--json", json, "print JSON");
  CLI::App* const key = app.add_subcommand("key", "the key that signs collectors' access tokens");
  key->require_subcommand(1);
  CLI::App* const rotate = with_config(key->add_subcommand("rotate", "make a new one; a running server takes it up on SIGHUP"));
  CLI::App* const sources = app.add_subcommand("sources", "list the declared sources");
  auto* const sources_config =
      sources->add_option("--config", config_file, "configuration file; without one only the built-in sources are listed");
  sources->add_flag("--markdown", markdown, "print the reference page");
  CLI11_PARSE(app, argc, argv);

  if (*sources && sources_config->empty()) return server::print_sources({}, markdown);
  const auto config = server::load_config(config_file);
  if (!config) return server::print_error(server::kBadConfiguration, config.error().message);
  set_log_level(config->log_level);
  if (*init) return server::init(*config, administrator, json);
  if (*run) return server::run(*config);
  if (*check) return server::check(*config);
  if (*sources) return server::print_sources(config->sources_dir, markdown);
  if (*list) return server::list_collectors(*config, json);
  if (*revoke) return server::revoke_collector(*config, uuid, json);
  if (*rotate) return server::rotate_key(*config);
  if (*unlock) return server::unlock_collector(*config, uuid, json);
  if (*create) {
    const auto microseconds = parse_duration_us(life);
    if (!microseconds || *microseconds <= 0)
      return server::print_error(server::kBadConfiguration, "--ttl is \"" + life + "\"; it must be a duration, 1h");
    return server::create_token(*config, uses, std::chrono::microseconds(*microseconds), json);
  }
  return server::kFailed;
}
