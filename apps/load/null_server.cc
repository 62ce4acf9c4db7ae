#include <cstdio>

#include "net/http_server.h"
#include "run.h"

namespace pga::load {

int serve_null(const std::string& address, std::uint64_t rows) {
  net::Loop loop;
  net::ServerOptions options;
  options.address = address;
  options.body_bytes_max = 16 * kMiB;
  const std::string answer = R"({"sequence":0,"rows":)" + std::to_string(rows) + R"(,"acknowledged":0,"duplicate":false})";
  auto server = net::HttpServer::listen({&loop}, options, [&answer](net::Request&) -> net::Task<net::Response> {
    net::Response response = net::Response::text(200, answer);
    co_return response;
  });
  if (!server) {
    std::fprintf(stderr, "pganalytics-load: %s\n", server.error().message.c_str());
    return 3;
  }
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  loop.on_terminate([&] {
    (*server)->drain();
    loop.stop();
  });
  loop.run();
  return 0;
}

}  // namespace pga::load
