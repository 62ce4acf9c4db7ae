// The recording that both this benchmark and pganalytics-load replay.
#pragma once

#include "../../apps/load/recording.h"

namespace pga::bench {
using namespace load;
}
