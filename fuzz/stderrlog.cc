// The input up to the first newline is the log_line_prefix, what follows the log.
#include "logs/stderrlog.h"

#include <algorithm>
#include <memory>
#include <string>

#include "logs.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga::logs;
  const std::uint8_t* end = std::find(data, data + size, '\n');
  if (end == data + size) return 0;
  const std::string prefix(data, end);
  fuzz_log(end + 1, static_cast<std::size_t>(data + size - end) - 1,
           [&](Parser::Sink sink) { return std::make_unique<StderrParser>(prefix, std::move(sink)); });
  return 0;
}
