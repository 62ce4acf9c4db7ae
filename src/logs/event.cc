#include "logs/event.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "logs/limits.h"

namespace pga::logs {
namespace {

std::size_t bytes_max(Field field) {
  switch (field) {
    case Field::kMessage:
    case Field::kDetail:
    case Field::kHint:
    case Field::kInternalQuery:
    case Field::kContext:
    case Field::kStatement:
      return kTextBytesMax;
    default:
      return kNameBytesMax;
  }
}

// Two digits or four at `at`; -1 if they are none.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// "+02", "-0330", "+05:30", "UTC", "GMT"
bool parse_zone(std::string_view zone, std::int64_t& offset_us) {
  offset_us = 0;
  if (zone == "UTC" || zone == "GMT" || zone == "Z") return true;
  if (zone.empty() || (zone[0] != '+' && zone[0] != '-')) return false;
  const int hours = digits(zone, 1, 2);
  if (hours < 0) return false;
  const std::size_t minutes_at = zone.size() > 3 && zone[3] == ':' ? 4 : 3;
  const int minutes = zone.size() > minutes_at ? digits(zone, minutes_at, 2) : 0;
  if (minutes < 0) return false;
  offset_us = (zone[0] == '-' ? -1 : 1) * (hours * 3600LL + minutes * 60LL) * 1'000'000;
  return true;
}

}  // namespace

void Event::append(Field field, std::string_view bytes) {
  std::string& out = (*this)[field];
  const std::size_t room = bytes_max(field) - std::min(bytes_max(field), out.size());
  out.append(bytes.substr(0, room));
  if (bytes.size() > room) cut_bytes += bytes.size() - room;
}

void Event::clear() {
  for (std::string& field : fields) {
    if (field.capacity() > 4 * kNameBytesMax)
      std::string().swap(field);  // one long event must not be paid for until the next restart
    else
      field.clear();
  }
  cut_bytes = 0;
  unparsed = incomplete = false;
}

bool parse_log_time(std::string_view text, LogTime& out) {
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 ||
      second > 60)
    return false;
  if (text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T') || text[13] != ':' || text[16] != ':') return false;
  std::size_t at = 19;
  std::int64_t fraction_us = 0;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) fraction_us += (text[at] - '0') * unit;
  }
  if (at < text.size() && text[at] == ' ') ++at;
  std::int64_t offset_us = 0;
  out.zone_known = parse_zone(text.substr(at), offset_us);
  const std::chrono::sys_days days = std::chrono::year{year} / month / day;
  out.us = (days.time_since_epoch().count() * 86'400LL + hour * 3600LL + minute * 60LL + second) * 1'000'000 + fraction_us - offset_us;
  return true;
}

}  // namespace pga::logs
