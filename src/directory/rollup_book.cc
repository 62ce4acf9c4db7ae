#include "directory/rollup_book.h"

namespace pga::directory {
namespace {

std::int64_t number(std::uint64_t segment) { return static_cast<std::int64_t>(segment); }

RollupStep read_step(const Row& row) {
  return {row.integer(0), row.integer(1), static_cast<std::uint64_t>(row.integer(2)), static_cast<std::uint64_t>(row.integer(3))};
}

}  // namespace

Status RollupBook::touch(std::int64_t resolution, const std::vector<std::int64_t>& windows_us, std::uint64_t segment) {
  for (const std::int64_t window : windows_us) {
    PGA_TRY_STATUS(
        database_.run("INSERT INTO rollup_windows (resolution, window_us, touched_through) VALUES ($1, $2, $3) "
                      "ON CONFLICT (resolution, window_us) DO UPDATE SET touched_through = excluded.touched_through "
                      "WHERE rollup_windows.touched_through < excluded.touched_through",
                      {resolution, window, number(segment)}));
    // The next step of the window begins beyond a segment that comes late: it gets a step of its own.
    PGA_TRY_STATUS(
        database_.run("INSERT INTO rollup_steps (resolution, window_us, after_segment, through_segment) "
                      "SELECT resolution, window_us, $3 - 1, $3 FROM rollup_windows "
                      "WHERE resolution = $1 AND window_us = $2 AND rolled_through >= $3 "
                      "ON CONFLICT (resolution, window_us, after_segment, through_segment) DO NOTHING",
                      {resolution, window, number(segment)}));
  }
  return {};
}

Result<std::vector<RollupStep>> RollupBook::due(std::int64_t resolution, std::int64_t starts_at_or_before_us, std::size_t limit) {
  std::vector<RollupStep> steps;
  PGA_TRY_STATUS(
      database_.run("SELECT resolution, window_us, rolled_through, touched_through FROM rollup_windows "
                    "WHERE resolution = $1 AND window_us <= $2 AND touched_through > rolled_through ORDER BY window_us LIMIT $3",
                    {resolution, starts_at_or_before_us, limit}, [&](const Row& row) { steps.push_back(read_step(row)); }));
  return steps;
}

Result<std::vector<RollupStep>> RollupBook::unfinished() {
  std::vector<RollupStep> steps;
  PGA_TRY_STATUS(database_.run("SELECT resolution, window_us, after_segment, through_segment FROM rollup_steps ORDER BY id", {},
                               [&](const Row& row) { steps.push_back(read_step(row)); }));
  return steps;
}

Status RollupBook::intend(const std::vector<RollupStep>& steps) {
  return database_.transaction([&]() -> Status {
    for (const RollupStep& s : steps) {
      PGA_TRY_STATUS(
          database_.run("INSERT INTO rollup_steps (resolution, window_us, after_segment, through_segment) VALUES ($1, $2, $3, $4) "
                        "ON CONFLICT (resolution, window_us, after_segment, through_segment) DO NOTHING",
                        {s.resolution, s.window_us, number(s.after_segment), number(s.through_segment)}));
    }
    return {};
  });
}

Status RollupBook::finish(const RollupStep& s) {
  return database_.transaction([&]() -> Status {
    PGA_TRY_STATUS(
        database_.run("UPDATE rollup_windows SET rolled_through = $1 WHERE resolution = $2 AND window_us = $3 AND rolled_through < $1",
                      {number(s.through_segment), s.resolution, s.window_us}));
    PGA_TRY_STATUS(
        database_.run("DELETE FROM rollup_steps WHERE resolution = $1 AND window_us = $2 AND after_segment = $3 AND through_segment = $4",
                      {s.resolution, s.window_us, number(s.after_segment), number(s.through_segment)}));
    return {};
  });
}

Status RollupBook::forget_before(std::int64_t window_us) {
  PGA_TRY_STATUS(database_.run("DELETE FROM rollup_windows WHERE window_us < $1 AND touched_through = rolled_through", {window_us}));
  return {};
}

}  // namespace pga::directory
