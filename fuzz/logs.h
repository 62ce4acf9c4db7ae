// What holds for every parser of logs: the pieces do not matter, everything is bounded, and what leaves is text.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "logs/event.h"
#include "logs/finding.h"
#include "logs/limits.h"

namespace pga::logs {

// The first byte is how many bytes come at a time.
template <class Make>
void fuzz_log(const std::uint8_t* data, std::size_t size, Make make) {
  if (size == 0) return;
  const std::string_view log = as_text(std::as_bytes(std::span(data, size))).substr(1);
  const auto events_of = [&](std::size_t step) {
    std::vector<Event> events;
    const auto parser = make([&](Event& event) { events.push_back(event); });
    for (std::size_t at = 0; at < log.size(); at += std::min(step, log.size() - at)) {
      parser->feed(log.substr(at, step));
      PGA_CHECK(parser->open_bytes() <= at + step);
    }
    parser->finish();
    PGA_CHECK(parser->open_bytes() == 0);
    return events;
  };
  const auto whole = events_of(SIZE_MAX);
  const auto pieces = events_of(std::size_t{data[0]} + 1);
  PGA_CHECK(whole.size() == pieces.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    PGA_CHECK(whole[i].fields == pieces[i].fields && whole[i].cut_bytes == pieces[i].cut_bytes && whole[i].unparsed == pieces[i].unparsed);
    const Finding f = find(whole[i]);
    for (const std::string* text :
         {&f.severity, &f.sqlstate, &f.user, &f.database, &f.application, &f.client, &f.message, &f.detail, &f.context, &f.statement})
      PGA_CHECK(is_utf8(*text) && text->size() <= 2 * kStatementBytesMax);
    PGA_CHECK(is_utf8(fields_as_json(f.fields)));
  }
}

}  // namespace pga::logs
