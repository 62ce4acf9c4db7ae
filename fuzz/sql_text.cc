// Any text is scanned. Scanning what came out changes neither it nor its fingerprint, at whatever length it is cut it is valid and safe to
// scan again, and a constant that is put behind a text in which nothing is open is gone.
#include "base/check.h"
#include "base/text.h"
#include "sql/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga;
  using namespace pga::sql;
  if (size == 0) return 0;
  const std::string_view text = as_text(std::as_bytes(std::span(data, size)).subspan(1));
  const SqlText once = scan_sql(text);
  PGA_CHECK(is_utf8(once.redacted) && once.tags.size() <= kTagsMax);
  const SqlText twice = scan_sql(once.redacted);
  PGA_CHECK(twice.redacted == once.redacted && twice.fingerprint == once.fingerprint && twice.tags == once.tags);
  const std::size_t bytes_max = 3 + data[0];
  const SqlText cut = scan_sql(text, bytes_max);
  PGA_CHECK(cut.redacted.size() <= bytes_max && cut.fingerprint == once.fingerprint);
  PGA_CHECK(scan_sql(cut.redacted, bytes_max).redacted == cut.redacted);
  if (!once.truncated && text.find("canary") == std::string_view::npos)
    PGA_CHECK(scan_sql(std::string(text) + "\n 'canary' $q$canary$q$ 1canary").redacted.find("canary") == std::string::npos);
  return 0;
}
