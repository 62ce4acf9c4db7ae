#include "collect/gatherer.h"

#include "base/text.h"

namespace pga::collect {

void Gatherer::add(const wire::Target& target, Reading reading) {
  wire::Batch batch = outbox_.new_batch();
  batch.started_us = reading.started_us;
  batch.duration_us = reading.duration_us;
  batch.outcome = reading.outcome;
  batch.database = to_valid_utf8(database_);
  batch.sqlstate = reading.sqlstate;
  batch.detail = to_valid_utf8(reading.detail);
  batch.missing = reading.missing;
  if (!reading.has_rows()) {
    batch.columns.clear();
  } else if (source_.shape == catalog::Shape::kObjects) {
    objects_.apply(reading, outbox_.strings(), batch);
  } else {
    time_left_.apply(reading);
    increments_.apply(reading, outbox_.strings(), batch);
  }
  stats_.count_reading(target, batch);
  outbox_.add(target, source_, std::move(batch));
}

}  // namespace pga::collect
