// Logs as seven real servers wrote them (tests/lab/log_trouble.py), and a parser of each format.
#pragma once

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "logs/csvlog.h"
#include "logs/jsonlog.h"
#include "logs/stderrlog.h"

namespace pga::logs {

inline constexpr const char* kRecordedPrefix = "%m [%p] %q%u@%d/%a %h %e ";
inline constexpr const char* kRecorded[] = {"12.csv", "12.log",  "13.csv", "13.log", "14.csv",  "14.log", "15.csv", "15.json", "15.log",
                                            "16.csv", "16.json", "16.log", "17.csv", "17.json", "17.log", "18.csv", "18.json", "18.log"};

inline std::string recorded(const std::string& name) {
  std::ifstream in(std::string(PGA_SOURCE_DIR "/src/logs/testdata/") + name, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline std::unique_ptr<Parser> parser_of(const std::string& name, Parser::Sink sink, const char* prefix = kRecordedPrefix) {
  if (name.ends_with("csv")) return std::make_unique<CsvParser>(std::move(sink));
  if (name.ends_with("json")) return std::make_unique<JsonParser>(std::move(sink));
  return std::make_unique<StderrParser>(prefix, std::move(sink));
}

// Everything that a parser makes of `text`, fed in pieces of `step` bytes.
inline std::vector<Event> parse_all(const std::string& name, const std::string& text, std::size_t step = SIZE_MAX,
                                    const char* prefix = kRecordedPrefix) {
  std::vector<Event> events;
  const auto parser = parser_of(name, [&](Event& event) { events.push_back(event); }, prefix);
  for (std::size_t at = 0; at < text.size(); at += std::min(step, text.size() - at)) parser->feed(std::string_view(text).substr(at, step));
  parser->finish();
  return events;
}

}  // namespace pga::logs
