// The people's port put together: handlers, guards, UI and security headers.
#pragma once

#include "api/assets.h"
#include "api/context.h"
#include "api/router.h"
#include "api/session.h"

namespace pga::api {

Handlers people_handlers(Context& context, Sessions& sessions);
Guards people_guards(Sessions& sessions);

}  // namespace pga::api
