// How pganalytics-engine ends when it cannot serve: the supervisor tells what can never work from what may work again.
#pragma once

namespace pga::store {

enum class EngineExit : int {
  kClean = 0,
  kUsage = 64,      // wrong flags
  kLibrary = 65,    // libchdb.so is missing or not the pinned one
  kDirectory = 66,  // data directory cannot be made, is in use, or is broken
  kSocket = 67,     // the socket cannot be served
};

}  // namespace pga::store
