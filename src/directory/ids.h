// Ids that the directory gives out. They are never reused.
#pragma once

#include <cstdint>

#include "base/strong.h"

namespace pga::directory {

using TenantId = Strong<struct TenantIdTag, std::uint32_t>;
using UserId = Strong<struct UserIdTag, std::uint32_t>;
using CollectorId = Strong<struct CollectorIdTag, std::uint32_t>;
using ServerId = Strong<struct ServerIdTag, std::uint32_t>;

inline constexpr TenantId kDefaultTenant{1};  // exists from the first migration on

}  // namespace pga::directory
