// The collector at work, and its two short lives: one reading on standard output, and the examination of its targets.
#pragma once

#include "config.h"

namespace pga::collector {

// Until SIGTERM or SIGINT. `oracle`: socket of the process that ./run faults believes (oracle.h); empty: none. Returns the process's exit
// code.
int run(const Config& config, const catalog::Catalog& catalog, const std::filesystem::path& oracle);

// Reads everything twice, a second apart, and prints the second reading as JSON: increments need two.
int print_once(const Config& config, const catalog::Catalog& catalog);

// Prints what each target lacks; exit code 0 if nothing that is needed is missing, 1 otherwise.
int check(const Config& config, const catalog::Catalog& catalog, bool json);

}  // namespace pga::collector
