// Does what is acknowledged survive everything, in every order of events? Collectors, server, their disks and the network between them in
// one thread under a simulated clock; every fault is drawn from the seed, and the same seed gives the same run.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/log.h"
#include "base/planted.h"
#include "world.h"

namespace {

using namespace pga;

void print(const simulate::Outcome& outcome) {
  for (const std::string& what : outcome.wrong) std::printf("seed %llu: %s\n", static_cast<unsigned long long>(outcome.seed), what.c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t seeds = 300;
  std::uint64_t collectors = 3;
  bool twice = false;
  bool expect_finding = false;
  bool verbose = false;
  std::uint64_t outage_hours = 0;
  std::uint64_t spool_mib = 64;
  [[maybe_unused]] std::string bug;
  CLI::App app{"Collectors, a server, their disks and the network in simulated time, with faults drawn from the seed."};
  app.add_option("--seeds", seeds, "how many runs")->capture_default_str();
  app.add_option("--first", first, "the first seed; a finding names its seed")->capture_default_str();
  app.add_option("--collectors", collectors)->capture_default_str()->check(CLI::Range(1, 64));
  app.add_flag("--twice", twice, "every seed twice: the trace must be the same");
  app.add_flag("--verbose", verbose, "the product's own log");
#ifdef PGA_PLANTED_BUGS
  app.add_option("--bug", bug, "the bug that is planted (base/planted.h)");
#endif
  app.add_option("--outage-hours", outage_hours, "instead: one outage of the server, with a spool that is too small for it");
  app.add_option("--spool-mib", spool_mib, "with --outage-hours: size of the spool")->capture_default_str();
  app.add_flag("--expect-finding", expect_finding, "stop at the first finding, and fail if there is none");
  app.footer(
      "Examples:\n  ./run bench simulate --seeds 10000\n  ./run bench simulate --first 4711 --seeds 1 --verbose\n  ./run bench simulate "
      "--outage-hours 24 --spool-mib 64\n"
      "Exit codes: 0 nothing found (or what was expected), 1 a finding.");
  CLI11_PARSE(app, argc, argv);
  set_log_level(verbose ? LogLevel::kDebug : LogLevel::kOff);
#ifdef PGA_PLANTED_BUGS
  plant(bug);
#endif
  const auto catalog = catalog::Catalog::load();
  if (!catalog) {
    std::fprintf(stderr, "%s\n", catalog.error().message.c_str());
    return 1;
  }
  if (outage_hours != 0) {
    simulate::OutagePlan plan;
    plan.seed = first;
    plan.outage = std::chrono::hours(outage_hours);
    plan.spool_bytes = spool_mib * kMiB;
    const simulate::OutageOutcome outcome = simulate::run_outage(plan, *catalog);
    for (const std::string& what : outcome.wrong) std::printf("%s\n", what.c_str());
    std::printf(
        "%llu h without a server, spool of %llu MiB: at most %.1f MiB on disk, %llu frames dropped, %llu in gaps; %llu waited and were "
        "sent in %.1f s, fresh data was at most %.1f s old\n",
        static_cast<unsigned long long>(outage_hours), static_cast<unsigned long long>(spool_mib),
        static_cast<double>(outcome.spool_bytes_most) / kMiB, static_cast<unsigned long long>(outcome.frames_dropped),
        static_cast<unsigned long long>(outcome.frames_in_gaps), static_cast<unsigned long long>(outcome.backlog_frames),
        static_cast<double>(outcome.catch_up.count()) / 1000, static_cast<double>(outcome.oldest_fresh.count()) / 1000);
    return outcome.wrong.empty() ? 0 : 1;
  }
  std::uint64_t found = 0, rows_spooled = 0, rows_stored = 0, frames = 0, in_gaps = 0, trace = 0;
  std::map<std::string, int> faults;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    simulate::Plan plan;
    plan.seed = seed;
    plan.collectors = collectors;
    simulate::Outcome outcome = simulate::run(plan, *catalog);
    if (twice && simulate::run(plan, *catalog).trace != outcome.trace) outcome.wrong.emplace_back("the second run went another way");
    if (!outcome.wrong.empty()) ++found;
    if (!outcome.wrong.empty() && expect_finding) {
      std::printf("found with seed %llu: %s\n", static_cast<unsigned long long>(seed), outcome.wrong.front().c_str());
      return 0;
    }
    print(outcome);
    rows_spooled += outcome.rows_spooled;
    rows_stored += outcome.rows_stored;
    frames += outcome.frames_acknowledged;
    in_gaps += outcome.frames_in_gaps;
    trace = trace * 31 + outcome.trace;
    for (const auto& [kind, count] : outcome.faults) faults[kind] += count;
    if ((seed - first + 1) % 1000 == 0)
      std::fprintf(stderr, "%llu of %llu seeds\n", static_cast<unsigned long long>(seed - first + 1),
                   static_cast<unsigned long long>(seeds));
  }
  for (const auto& [kind, count] : faults) std::printf("%8d  %s\n", count, kind.c_str());
  std::printf(
      "%llu seeds: %llu rows spooled, %llu rows in the store, %llu frames acknowledged, %llu in gaps, trace %016llx, %llu with a finding\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(rows_spooled), static_cast<unsigned long long>(rows_stored),
      static_cast<unsigned long long>(frames), static_cast<unsigned long long>(in_gaps), static_cast<unsigned long long>(trace),
      static_cast<unsigned long long>(found));
  if (expect_finding) std::printf("nothing was found\n");
  return found != 0 || expect_finding ? 1 : 0;
}
