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
  bool needs_approval = false;
  create->add_flag("--approval", needs_approval, "each that enrols with it waits until a person approves: collector approve");
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
  CLI::App* const approve =
      with_config(collector->add_subcommand("approve", "let a collector in that enrolled with a token that asks for approval"));
  approve->add_option("uuid", uuid, "of the collector, from collector list")->required();
  approve->add_flag("--json", json, "print JSON");
  std::string settings_file;
  bool everyone = false;
  bool withdraw = false;
  CLI::App* const configure = with_config(collector->add_subcommand(
      "configure", "tell one collector, or all that have been told nothing of their own, what holds where their own files say nothing"));
  auto* const whom = configure->add_option("uuid", uuid, "of the collector, from collector list");
  configure->add_flag("--all", everyone, "all collectors that have no configuration of their own")->excludes(whom);
  auto* const settings_option =
      configure->add_option("--file", settings_file, "YAML with server.format, ship_interval, intervals, log.level");
  configure->add_flag("--withdraw", withdraw, "say nothing any more")->excludes(settings_option);
  configure->add_flag("--json", json, "print JSON");
  configure->footer(
      "Examples:\n"
      "  echo 'intervals: {postgres.statements: 30s}' > slow.yaml\n"
      "  pganalytics-server collector configure --all --file slow.yaml\n"
      "  pganalytics-server collector configure 6f1c… --withdraw");
  CLI::App* const ca = app.add_subcommand("ca", "the authority that signs certificates");
  ca->require_subcommand(1);
  CLI::App* const rotate_ca = with_config(ca->add_subcommand("rotate", "take the next of three steps from one authority to another"));
  bool force = false;
  rotate_ca->add_flag("--force", force, "do not wait for collectors that are not ready; they must enrol again");
  rotate_ca->add_flag("--json", json, "print JSON");
  rotate_ca->footer(
      "1. a next authority is made and told to collectors as they renew their certificates\n"
      "2. it signs; the one before is still trusted\n"
      "3. the one before is forgotten\n"
      "After each step the server is to be started again. A step is refused until every collector is ready for it.");
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
  if (*approve) return server::approve_collector(*config, uuid, json);
  if (*configure) {
    if (uuid.empty() != everyone || settings_file.empty() != withdraw)
      return server::print_error(server::kBadConfiguration, "collector configure needs a uuid or --all, and --file or --withdraw");
    return server::configure_collectors(*config, uuid, settings_file, json);
  }
  if (*rotate_ca) return server::rotate_authority(*config, force, json);
  if (*unlock) return server::unlock_collector(*config, uuid, json);
  if (*create) {
    const auto microseconds = parse_duration_us(life);
    if (!microseconds || *microseconds <= 0)
      return server::print_error(server::kBadConfiguration, "--ttl is \"" + life + "\"; it must be a duration, 1h");
    return server::create_token(*config, uses, std::chrono::microseconds(*microseconds), needs_approval, json);
  }
  return server::kFailed;
}
