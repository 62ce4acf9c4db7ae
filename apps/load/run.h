// One scenario from enrolment to the last acknowledgement.
#pragma once

#include "plan.h"

namespace pga::load {

// Prints what happened as JSON and returns the exit code: 0 everything was acknowledged, 1 not, 3 it could not begin.
int run(const Plan& plan);

// Answers every push with success, over plain HTTP, without looking at it: the price of the generator itself. Prints its address; until
// SIGTERM. `rows` of each push are said to be stored.
int serve_null(const std::string& address, std::uint64_t rows);

}  // namespace pga::load
