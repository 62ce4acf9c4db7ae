// The collectors' port: enrol, renew, token and pushFrames, and the guards of their policies.
#pragma once

#include "api/rate_limit.h"
#include "api/router.h"
#include "ingest/enrolment.h"
#include "ingest/flow.h"
#include "ingest/ingest.h"
#include "ingest/registry.h"

namespace pga::api {

// Everything outlives the handlers and belongs to the loop that runs them.
struct DeliveryContext {
  const Clock& clock;
  ingest::Ingest& ingest;
  ingest::Enrolment& enrolment;
  ingest::Registry& registry;
  RateLimit& enrolments;  // by address; only failures count
  ingest::Flow& flow;
  bool takes_binary = true;  // false: frames as JSON only, 415 for others
};

Handlers delivery_handlers(DeliveryContext& context);
Guards delivery_guards(DeliveryContext& context);

}  // namespace pga::api
