#include <doctest/doctest.h>

#include "logs/fixtures_for_test.h"
#include "logs/limits.h"
#include "logs/prefix.h"

namespace pga::logs {
namespace {

const std::string kCsv =
    "2026-11-28 10:00:00.123 UTC,\"bob\",\"shop\",7,\"[local]\",5.7,1,\"SELECT\",2026-11-28 09:00:00 UTC,3/1,0,ERROR,22012,\"";
const std::string kCsvEnd = "\",,,,,,\"SELECT 1\",,,\"psql\"\n";
const std::string kJson = "{\"timestamp\":\"2026-11-28 10:00:00.123 UTC\",\"pid\":7,\"error_severity\":\"ERROR\",\"message\":\"";
const std::string kLine = "2026-11-28 10:00:00.123 UTC [7] ERROR:  ";

std::string summary(const std::vector<Event>& events) {
  std::string out;
  for (const Event& e : events)
    out += std::string(out.empty() ? "" : " | ") + (e.unparsed ? "UNPARSED" : e[Field::kMessage] + (e.incomplete ? " (incomplete)" : ""));
  return out;
}

TEST_CASE("a broken log gives what is whole in it, and counts what is not") {
  struct Case {
    std::string what;
    const char* format;
    std::string text;
    std::string events;
  };
  const std::string zero("a\0b", 3);
  const Case cases[] = {
      {"csv", "csv", kCsv + "one" + kCsvEnd, "one"},
      {"csv: doubled quotes and lines", "csv", kCsv + "say \"\"x\"\"\nand" + kCsvEnd, "say \"x\"\nand"},
      {"csv: CRLF", "csv", kCsv + "one" + "\",,,,,,,,,\"psql\"\r\n" + kCsv + "two" + kCsvEnd, "one | two"},
      {"csv: begun in the middle", "csv", "rest of a text\"\",\",,,,\n" + kCsv + "two" + kCsvEnd, "UNPARSED | two"},
      {"csv: begun inside of quotes", "csv", "x',\n 'y')\",,,,,\n" + kCsv + "two" + kCsvEnd, "UNPARSED | two"},
      {"csv: cut by a crash, then going on", "csv", kCsv + "cut off" + kCsv + "lost" + kCsvEnd + kCsv + "three" + kCsvEnd,
       "UNPARSED | three"},
      {"csv: too few columns", "csv", "2026-11-28 10:00:00.123 UTC,a,b\n" + kCsv + "two" + kCsvEnd, "UNPARSED | two"},
      {"csv: columns of a later version", "csv", kCsv + "one\",,,,,,,,,\"psql\",\"client backend\",,0,new,newer\n", "one"},
      {"csv: no end", "csv", kCsv + "the end is mi", "the end is mi (incomplete)"},
      {"csv: NUL and broken UTF-8", "csv", kCsv + zero + "\xff" + kCsvEnd, "a"},
      {"csv: an empty line", "csv", "\n" + kCsv + "one" + kCsvEnd, "one"},
      {"json", "json", kJson + "one\"}\n", "one"},
      {"json: escapes", "json", kJson + "a\\n\\\"b\\\"\\u00e4\\ud83d\\ude00\\/\"}\n", "a\n\"b\"ä😀/"},
      {"json: half of a surrogate", "json", kJson + "\\ude00x\"}\n", "\xEF\xBF\xBDx"},
      {"json: an unknown key", "json", "{\"new\":{}}\n" + kJson + "two\"}\n", "UNPARSED | two"},
      {"json: a scalar of an unknown key", "json", "{\"new\":\"x\",\"n\":1.5e3,\"b\":true," + kJson.substr(1) + "two\"}\n", "two"},
      {"json: cut by a crash", "json", kJson + "cut o\n" + kJson + "two\"}\n", "UNPARSED | two"},
      {"json: not JSON", "json", "hello\n" + kJson + "two\"}\r\n", "UNPARSED | two"},
      {"json: no end", "json", kJson + "one", "UNPARSED"},
      {"stderr", "log", kLine + "one\n", "one"},
      {"stderr: lines with a tab belong to it", "log", kLine + "one\n\ttwo\n\tthree\n", "one\ntwo\nthree"},
      {"stderr: CRLF", "log", kLine + "one\r\n\ttwo\r\n" + kLine + "x\r\n", "one\ntwo | x"},
      {"stderr: a program's own lines", "log", "cp: cannot stat\nmore of it\n" + kLine + "x\n", "UNPARSED | x"},
      {"stderr: a detail without its event", "log", "2026-11-28 10:00:00.123 UTC [7] DETAIL:  lost\n" + kLine + "x\n", "UNPARSED | x"},
      {"stderr: another process's detail", "log", kLine + "x\n2026-11-28 10:00:00.123 UTC [8] DETAIL:  lost\n", "x | UNPARSED"},
      {"stderr: no end", "log", kLine + "one", "one (incomplete)"},
      {"stderr: another language", "log", "2026-11-28 10:00:00.123 UTC [7] FEHLER:  Division durch Null\n", "Division durch Null"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    for (const std::size_t step : {std::size_t{1}, SIZE_MAX}) {
      const std::string said = summary(parse_all(c.format, c.text, step, "%m [%p] "));
      if (c.events == "a")
        CHECK(said.starts_with("a"));
      else
        CHECK(said == c.events);
    }
  }
}

TEST_CASE("the lines of stderr that belong to an event are its fields") {
  const std::string at = "2026-11-28 10:00:00.123 UTC [7] ";
  const auto events = parse_all("log",
                                at + "ERROR:  m\n" + at + "DETAIL:  d\n\td2\n" + at + "HINT:  h\n" + at + "QUERY:  q\n" + at +
                                    "CONTEXT:  c\n" + at + "LOCATION:  f, x.c:1\n" + at + "STATEMENT:  s\n\ts2\n",
                                SIZE_MAX, "%m [%p] ");
  REQUIRE(events.size() == 1);
  CHECK(events[0][Field::kDetail] == "d\nd2");
  CHECK(events[0][Field::kHint] == "h");
  CHECK(events[0][Field::kInternalQuery] == "q");
  CHECK(events[0][Field::kContext] == "c");
  CHECK(events[0][Field::kStatement] == "s\ns2");
}

TEST_CASE("the state that a verbose log writes in front of a message is not of the message") {
  struct Case {
    const char* line;
    const char* state;
    const char* message;
  };
  const Case cases[] = {
      {"ERROR:  22012: division by zero at character 8", "22012", "division by zero"},
      {"LOG:  00000: duration: 1 ms", "00000", "duration: 1 ms"},
      {"LOG:  AUDIT: SESSION,1,1,READ", "", "AUDIT: SESSION,1,1,READ"},
      {"LOG:  12345: six", "12345", "six"},
      {"LOG:  1234: five", "", "1234: five"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const auto events = parse_all("log", std::string("2026-11-28 10:00:00.123 UTC [7] ") + c.line + "\n", kReadBytesAtOnce, "%m [%p] ");
    REQUIRE(events.size() == 1);
    CHECK(events[0][Field::kSqlstate] == c.state);
    CHECK(events[0][Field::kMessage] == c.message);
  }
}

TEST_CASE("an event of 10 MB costs what its head costs, and what is left out is counted") {
  const std::string large(10 * kMiB, 'x');
  for (const auto& [format, text] : {std::pair<const char*, std::string>{"csv", kCsv + large + kCsvEnd},
                                     {"json", kJson + large + "\"}\n"},
                                     {"log", kLine + large + "\n"}}) {
    CAPTURE(format);
    const auto events = parse_all(format, text, kReadBytesAtOnce, "%m [%p] ");
    REQUIRE(events.size() == 1);
    CHECK(events[0][Field::kMessage].size() == kTextBytesMax);
    CHECK(events[0].cut_bytes == large.size() - kTextBytesMax);
  }
}

TEST_CASE("log_line_prefix is read back, whatever is in it") {
  struct Case {
    const char* prefix;
    std::string line;
    const char* fields;  // pid user database remote application session state query
  };
  const Case cases[] = {
      {"", "LOG:  m", "-------"},
      {"%m [%p] ", "2026-11-28 10:00:00.123 UTC [7] LOG:  m", "7-------"},
      {"%t:%r:%u@%d:[%p]: ", "2026-11-28 10:00:00 UTC:10.0.0.1(5432):bob@shop:[7]: LOG:  m", "7|bob|shop|10.0.0.1:"},
      {"%t:%r:%u@%d:[%p]: ", "2026-11-28 10:00:00 CET:[local]:[unknown]@[unknown]:[7]: LOG:  m", "7|||[local]"},
      {"%m [%p] %q%u@%d ", "2026-11-28 10:00:00.123 UTC [7] LOG:  m", "7"},
      {"%m [%p] %q%u@%d ", "2026-11-28 10:00:00.123 UTC [7] bob@my db LOG:  m", "7|bob|my db"},
      {"%m [%p] %q%u@%d/%a ", "2026-11-28 10:00:00.123 UTC [7] a@b@c/d/LOG:  x LOG:  m", "7|a|b@c||d/LOG:  x"},
      {"%n %p %l %c %v %x %e %Q %b ", "1700000000.123 7 12 6747.1f 3/45 0 22012 -99 client backend LOG:  m", "7||||||22012|-99"},
      {"[%10p] [%-10u] %%%i ", "[         7] [bob       ] %SELECT LOG:  m", "7|bob"},
      {"%m %h %P %s %L %a|", "2026-11-28 10:00:00.123 +02 ::1  2026-11-28 09:00:00 +02 host=x psql|LOG:  m", "|||::1:|psql"},
      {"user=%u,db=%d,app=%a,client=%h ", "user=bob,db=shop,app=,client=10.1.1.1 LOG:  m", "|bob|shop|10.1.1.1:"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    Event event;
    std::string_view message;
    const Label* label = Prefix(c.prefix).match(c.line, event, message);
    REQUIRE(label != nullptr);
    CHECK(message == "m");
    CHECK(label->severity == "LOG");
    std::string fields = event[Field::kPid] + "|" + event[Field::kUser] + "|" + event[Field::kDatabase] + "|" + event[Field::kRemote] +
                         "|" + event[Field::kApplication] + "||" + event[Field::kSqlstate] + "|" + event[Field::kQueryId];
    while (!fields.empty() && fields.back() == '|') fields.pop_back();
    std::string expected = c.fields;
    while (!expected.empty() && (expected.back() == '-' || expected.back() == '|')) expected.pop_back();
    CHECK(fields == expected);
  }
  Event event;
  std::string_view message;
  CHECK(Prefix("%m [%p] ").match("2026-11-28 10:00:00.123 UTC 7 LOG:  m", event, message) == nullptr);
  CHECK(Prefix("%m [%p] ").match("2026-11-28 10:00:00.123 UTC [7] SELECT:  m", event, message) == nullptr);
}

TEST_CASE("a prefix that could be read in millions of ways ends all the same") {
  const std::string line = std::string(900, ' ') + std::string(100, ':');
  Event event;
  std::string_view message;
  CHECK(Prefix("%a %u %d %a %u %d %a %i %b %a: ").match(line, event, message) == nullptr);
}

TEST_CASE("times are read with their zone") {
  struct Case {
    const char* text;
    std::int64_t us;
    bool zone_known;
  };
  const Case cases[] = {{"1970-01-01 00:00:01.5 UTC", 1'500'000, true},
                        {"1970-01-01 02:00:00 +02", 0, true},
                        {"1969-12-31 20:30:00 -0330", 0, true},
                        {"1970-01-01 00:00:00.001 CET", 1'000, false},
                        {"2026-11-28 10:00:00.123 GMT", 1'795'860'000'123'000, true}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    LogTime time;
    REQUIRE(parse_log_time(c.text, time));
    CHECK(time.us == c.us);
    CHECK(time.zone_known == c.zone_known);
  }
  LogTime time;
  for (const char* bad : {"", "2026-11-28", "2026-13-28 10:00:00", "2026/11/28 10:00:00", "yesterday at 10:00:00 UTC"})
    CHECK(!parse_log_time(bad, time));
}

}  // namespace
}  // namespace pga::logs
