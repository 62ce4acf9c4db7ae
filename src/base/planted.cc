#include "base/planted.h"

#ifdef PGA_PLANTED_BUGS
#include <string>

namespace pga {
namespace {

std::string& chosen() {
  static std::string bug;
  return bug;
}

}  // namespace

bool planted(std::string_view bug) { return chosen() == bug; }
void plant(std::string_view bug) { chosen() = bug; }

}  // namespace pga
#endif
