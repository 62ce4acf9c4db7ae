// pganalytics-load: many collectors with made-up readings, to see what a server bears.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <map>

#include "run.h"
#include "samples.h"

namespace {

// 127.0.0.0/8, ::1 and localhost.
bool is_loopback(const std::string& url) {
  const auto host = url.substr(std::min(url.size(), url.find("://") + 3));
  return host.starts_with("127.") || host.starts_with("[::1]") || host.starts_with("localhost:");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace pga;
  load::Plan plan;
  double interval_seconds = 60, time_scale = 1;
  bool anywhere = false;
  CLI::App app{
      "Many collectors in one process, with the encoder, spool and uplink of the real one and identities of their own. They enrol, push\n"
      "made-up readings on a fixed schedule, and every acknowledgement is timed from the moment in which its push was due."};
  app.set_version_flag("--version", "pganalytics-load " PGA_VERSION);
  app.require_subcommand(1);
  auto* run = app.add_subcommand("run", "enrol, push, and print what happened as JSON");
  run->add_option("--url", plan.url, "the server's port for collectors, https://host:port; http://… is a null server")->required();
  run->add_option("--token-file", plan.token_file, "enrolment token that is good for all of them");
  run->add_option("--directory", plan.directory, "a directory of its own for each collector is made in it; /dev/shm spares the disk")
      ->required();
  run->add_option("--sources-dir", plan.sources_dir, "directory with the declaration of load.metrics; the server needs it, too");
  run->add_option("--collectors", plan.collectors)->capture_default_str()->check(CLI::Range(1, 4'000));
  run->add_option("--workload", plan.load, "W0: 50 random metrics a push; W1: a recording of PostgreSQL")
      ->transform(CLI::CheckedTransformer(std::map<std::string, load::Load>{{"W0", load::Load::kW0}, {"W1", load::Load::kW1}}));
  run->add_option("--recording", plan.recording, "of W1: directory with its files");
  run->add_option("--declarations", plan.declarations,
                  "of W1: directory with the declarations that it follows; the server needs them, too");
  run->add_option("--first", plan.first, "number of the first collector, for several processes")->capture_default_str();
  run->add_option("--pushes", plan.pushes, "of each collector")->capture_default_str()->check(CLI::Range(1, 100'000));
  run->add_option("--interval", interval_seconds, "seconds between two pushes of a collector")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3'600.0));
  run->add_option("--time-scale", time_scale, "how much faster than that")->capture_default_str()->check(CLI::Range(1.0, 1'000.0));
  run->add_option("--window", plan.window,
                  "push as fast as the server takes it: that many pushes of a collector may be on their way; for --seconds, or --pushes")
      ->check(CLI::Range(1, 64));
  std::int64_t flat_out_seconds = plan.flat_out.count();
  run->add_option("--seconds", flat_out_seconds, "of --window")->capture_default_str()->check(CLI::Range(1, 3'600));
  run->add_option("--start", plan.start, "when collectors push first: herd, jitter (within the first interval), ramp (in order)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, load::Start>{
          {"herd", load::Start::kHerd}, {"jitter", load::Start::kJitter}, {"ramp", load::Start::kRamp}}));
  run->add_flag("--json-frames", plan.json, "send the JSON twin instead of binary frames");
  std::int64_t enrol_max_seconds = plan.enrol_max.count();
  run->add_option("--enrol-max", enrol_max_seconds, "seconds until all must have enrolled")->capture_default_str();
  std::int64_t wait_max_seconds = plan.wait_max.count();
  run->add_option("--wait-max", wait_max_seconds, "seconds for what is on its way after the last push was due")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400));
  run->add_option("--loops", plan.loops, "threads")->capture_default_str()->check(CLI::Range(1, 16));
  run->add_flag("--own-addresses", plan.own_addresses, "each collector connects from an address of its own in 127.0.0.0/8, as machines do");
  run->add_option("--result", plan.result_file, "file for what happened; default: standard output");
  run->add_flag("--anywhere", anywhere, "allow a server that is not on this machine's loopback");
  auto* samples =
      app.add_subcommand("samples", "write the numbers of W1 as lines that VictoriaMetrics imports, and print how many there are");
  samples->add_option("--recording", plan.recording)->required();
  samples->add_option("--declarations", plan.declarations)->required();
  samples->add_option("--directory", plan.directory, "gets a file for each collector")->required();
  samples->add_option("--collectors", plan.collectors)->capture_default_str()->check(CLI::Range(1, 4'000));
  samples->add_option("--pushes", plan.pushes, "of each collector")->capture_default_str()->check(CLI::Range(1, 100'000));
  std::string address = "127.0.0.1:0";
  std::uint64_t rows = 50;
  auto* null_server =
      app.add_subcommand("null-server", "answer every push with success, over plain HTTP, without looking at it; until SIGTERM");
  null_server->add_option("--listen", address)->capture_default_str();
  null_server->add_option("--rows", rows, "said to be stored of each push")->capture_default_str();
  app.footer(
      "Examples:\n"
      "  pganalytics-load run --url https://127.0.0.1:8443 --token-file token --directory /dev/shm/load --sources-dir bench/load "
      "--collectors 500\n"
      "  pganalytics-load null-server\n"
      "Exit codes: 0 everything was acknowledged, 1 something was not, 2 usage, 3 it could not begin.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // --help is one, too
  }
  std::signal(SIGPIPE, SIG_IGN);
  if (*null_server) return load::serve_null(address, rows);
  if (*samples) {
    const auto written = load::write_samples(plan);
    if (!written) {
      std::fprintf(stderr, "pganalytics-load: %s\n", written.error().message.c_str());
      return 3;
    }
    std::printf("%llu\n", static_cast<unsigned long long>(*written));
    return 0;
  }
  if (!anywhere && !is_loopback(plan.url)) {
    std::fprintf(stderr, "pganalytics-load: %s is not on this machine: a load is for servers that are yours; --anywhere if you mean it\n",
                 plan.url.c_str());
    return 2;
  }
  if (plan.url.starts_with("https://") && plan.token_file.empty()) {
    std::fprintf(stderr, "pganalytics-load: --token-file is needed: \"pganalytics-server token create --uses %zu\" makes a token for it\n",
                 plan.collectors);
    return 2;
  }
  if (plan.load == load::Load::kW1 && (plan.recording.empty() || plan.declarations.empty())) {
    std::fprintf(stderr,
                 "pganalytics-load: W1 needs --recording and --declarations: bench/testdata/pgstat-recording and bench/wire/catalog\n");
    return 2;
  }
  plan.enrol_max = std::chrono::seconds(enrol_max_seconds);
  plan.wait_max = std::chrono::seconds(wait_max_seconds);
  plan.flat_out = std::chrono::seconds(flat_out_seconds);
  plan.interval = std::chrono::microseconds(static_cast<std::int64_t>(interval_seconds / time_scale * 1e6));
  return load::run(plan);
}
