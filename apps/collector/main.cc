// pganalytics-collector: reads the statistics of PostgreSQL servers and of this machine, keeps them in a spool, sends them.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "config.h"
#include "runtime.h"

int main(int argc, char** argv) {
  using namespace pga;
  std::string config_file = "/etc/pganalytics/collector.yaml";
  bool check = false;
  bool json = false;
  bool once = false;
  bool to_stdout = false;
  std::string oracle;
  CLI::App app{
      "Reads the statistics of PostgreSQL servers and of this machine, keeps them in a spool, and sends them to a pganalytics-server."};
  app.set_version_flag("--version", "pganalytics-collector " PGA_VERSION);
  app.add_option("--config", config_file, "configuration file")->capture_default_str();
  auto* check_flag = app.add_flag("--check", check, "connect to each target, say what is missing and the SQL that mends it, exit");
  app.add_flag("--json", json, "with --check: as JSON")->needs(check_flag);
  auto* once_flag = app.add_flag("--once", once, "read everything once and exit; needs --stdout")->excludes(check_flag);
  auto* stdout_flag = app.add_flag("--stdout", to_stdout, "with --once: print the reading as JSON")->needs(once_flag);
  once_flag->needs(stdout_flag);
  app.add_option("--oracle", oracle,
                 "for fault tests: tell the process on this unix socket every acknowledged frame before the spool forgets it");
  app.footer(
      "Examples:\n"
      "  pganalytics-collector --config collector.yaml --check\n"
      "  pganalytics-collector --config collector.yaml --once --stdout\n"
      "  pganalytics-collector --config collector.yaml\n"
      "Exit codes: 0 done, 1 --check found something missing, 2 configuration, 3 files, 4 a target cannot be reached.");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  // We sit beside a database: one arena, since hardly ever two threads allocate at once, and what is free goes back to the system.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);

  auto config = collector::load_config(config_file);
  if (!config) {
    std::fprintf(stderr, "pganalytics-collector: %s\n", config.error().message.c_str());
    return 2;
  }
  set_log_level(config->settings.log_level.value_or(collector::kLogLevel));
  const auto catalog = catalog::Catalog::load(config->sources_dir);
  const Status intervals = catalog ? settings::check_sources(config->settings, catalog->names()) : Status(catalog.error());
  if (!intervals) {
    std::fprintf(stderr, "pganalytics-collector: %s\n", intervals.error().message.c_str());
    return 2;
  }
  if (check) return collector::check(*config, *catalog, json);
  if (once) return collector::print_once(*config, *catalog);
  if (config->server_urls.empty()) {
    std::fprintf(stderr, "pganalytics-collector: %s: server.url is not set: where should the frames go?\n", config_file.c_str());
    return 2;
  }
  return collector::run(*config, *catalog, oracle);
}
