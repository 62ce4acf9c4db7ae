// Both decoders of plans: what is read is small, valid JSON without what a condition or the statement had in quotes.
#include "base/check.h"
#include "base/text.h"
#include "sql/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga;
  using namespace pga::sql;
  const std::string_view text = as_text(std::as_bytes(std::span(data, size)));
  const auto plan = parse_plan(text);
  if (!plan) return 0;
  PGA_CHECK(plan->nodes > 0 && plan->nodes <= kPlanNodesMax && plan->redacted.size() <= kPlanTextBytesMax);
  PGA_CHECK(is_utf8(plan->redacted) && plan->redacted.starts_with('{') && plan->redacted.ends_with('}'));
  PGA_CHECK(!plan->run || plan->run->self_ms.size() == plan->nodes);
  PGA_CHECK(plan->fingerprint == parse_plan(text)->fingerprint);
  return 0;
}
