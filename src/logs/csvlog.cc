#include "logs/csvlog.h"

#include <algorithm>

#include "logs/limits.h"

namespace pga::logs {
namespace {

constexpr std::size_t kColumnsMin = 23;  // of PostgreSQL 12
constexpr std::size_t kColumnsMax = 64;  // a later version may have more, a broken record thousands
constexpr std::string_view kTimeLike = "0000-00-00 00:00:00";

// Whether `line` may begin an event as far as it goes.
bool begins_like_time(std::string_view line) {
  for (std::size_t i = 0; i < std::min(line.size(), kTimeLike.size()); ++i) {
    const bool digit = line[i] >= '0' && line[i] <= '9';
    if (kTimeLike[i] == '0' ? !digit : line[i] != kTimeLike[i]) return false;
  }
  return true;
}

}  // namespace

void CsvParser::add(std::string_view bytes) {
  if (cell_ < kFields)
    event_.append(static_cast<Field>(cell_), bytes);
  else
    event_.cut_bytes += bytes.size();
}

void CsvParser::next_cell() {
  if (cell_ == 0 && !begins_like_time(event_[Field::kTime])) {
    broken();
    return;
  }
  ++cell_;
  state_ = State::kBegin;
  if (cell_ > kColumnsMax) broken();
}

void CsvParser::broken() {
  state_ = State::kSearch;
  line_.clear();
  line_decided_ = true;  // the rest of this line is part of what is broken
}

void CsvParser::end() {
  if (cell_ < kFields && event_.fields[cell_].ends_with('\r')) event_.fields[cell_].pop_back();
  LogTime time;
  const bool good = cell_ + 1 >= kColumnsMin && parse_log_time(event_[Field::kTime], time);
  if (good) {
    sink_(event_);
  } else if (open_bytes_ > 2) {  // an empty line is nothing
    event_.clear();
    event_.unparsed = true;
    event_.cut_bytes = open_bytes_;
    sink_(event_);
  }
  restart({});
}

void CsvParser::restart(std::string_view kept) {
  event_.clear();
  cell_ = 0;
  open_bytes_ = kept.size();
  line_.clear();
  state_ = kept.empty() ? State::kBegin : State::kCell;
  add(kept);
}

void CsvParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t used = 1;
    const char c = bytes[0];
    switch (state_) {
      case State::kBegin:
      case State::kCell:
        if (c == '"' && state_ == State::kBegin) {
          state_ = State::kQuoted;
        } else if (c == ',') {
          open_bytes_ += 1;
          bytes.remove_prefix(1);
          next_cell();
          continue;
        } else if (c == '\n') {
          open_bytes_ += 1;
          bytes.remove_prefix(1);
          end();
          continue;
        } else {
          used = std::min(bytes.find_first_of(",\n\""), bytes.size());
          if (used == 0) {  // a quote inside of a cell without quotes
            open_bytes_ += 1;
            bytes.remove_prefix(1);
            broken();
            continue;
          }
          add(bytes.substr(0, used));
          state_ = State::kCell;
        }
        break;
      case State::kQuoted: {
        used = std::min(bytes.find('"'), bytes.size());
        add(bytes.substr(0, used));
        if (used < bytes.size()) {
          ++used;
          state_ = State::kQuoteInQuoted;
        }
        break;
      }
      case State::kQuoteInQuoted:
        if (c == '"') {
          add("\"");
          state_ = State::kQuoted;
        } else if (c == ',' || c == '\n') {
          open_bytes_ += 1;
          bytes.remove_prefix(1);
          if (c == ',')
            next_cell();
          else
            end();
          continue;
        } else if (c != '\r') {
          broken();
          continue;
        }
        break;
      case State::kSearch:
        if (c == '\n') {
          line_.clear();
          line_decided_ = false;
        } else if (line_decided_) {
          used = std::min(bytes.find('\n'), bytes.size());
        } else {
          line_ += c;
          line_decided_ = !begins_like_time(line_);
          if (line_.size() == kTimeLike.size() && !line_decided_) {
            event_.clear();
            event_.unparsed = true;
            event_.cut_bytes = open_bytes_ + 1 - line_.size();
            sink_(event_);
            restart(std::string(line_));
            bytes.remove_prefix(1);
            continue;
          }
        }
        break;
    }
    open_bytes_ += used;
    bytes.remove_prefix(used);
  }
}

void CsvParser::finish() {
  if (open_bytes_ == 0) return;
  if (state_ != State::kSearch && cell_ >= static_cast<std::size_t>(Field::kMessage)) {
    event_.incomplete = true;
    sink_(event_);
  } else {
    event_.clear();
    event_.unparsed = event_.incomplete = true;
    event_.cut_bytes = open_bytes_;
    sink_(event_);
  }
  restart({});
}

}  // namespace pga::logs
