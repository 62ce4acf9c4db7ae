#include "logs/jsonlog.h"

#include <memory>

#include "logs.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga::logs;
  fuzz_log(data, size, [](Parser::Sink sink) { return std::make_unique<JsonParser>(std::move(sink)); });
  return 0;
}
