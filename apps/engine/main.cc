// pganalytics-engine: chDB (ClickHouse in a library) behind the part of ClickHouse's HTTP interface that the store uses, on a unix socket.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "chdb_api.h"
#include "config.h"
#include "front.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "pool.h"
#include "store/engine_exit.h"

namespace {

using namespace pga;
using store::EngineExit;

int fail(EngineExit code, const Error& error) {
  std::cerr << "pganalytics-engine: " << error.message << std::endl;
  return static_cast<int>(code);
}

// The other end is held by the parent and never written to: readable means that the parent is gone.
net::Task<> end_with_parent(net::Loop& loop, int pipe, std::function<void()> end) {
  const Status closed = co_await loop.wait(pipe, net::Readiness::kRead, Deadline::max());
  if (closed) end();
}

net::Task<> end_when_drained(net::Loop& loop, net::HttpServer& server) {
  for (int i = 0; i < 100 && server.stats().connections_open > 0; ++i) {
    const Status slept = co_await loop.sleep(std::chrono::milliseconds{100});
    if (!slept) break;
  }
  loop.stop();
}

struct Flags {
  std::filesystem::path directory, socket, library;
  std::string memory = "1GiB";
  int parent_pipe = -1;
};

int run(const Flags& flags, std::uint64_t memory_bytes) {
  if (const Status made = make_directories(flags.directory); !made) return fail(EngineExit::kDirectory, made.error());
  const std::filesystem::path config = flags.directory / "engine.xml";
  const std::string xml = engine::config_xml(memory_bytes, std::max(1U, std::thread::hardware_concurrency()));
  if (const Status written = write_file_atomic(config, xml); !written) return fail(EngineExit::kDirectory, written.error());

  auto library = engine::Library::load(flags.library);
  if (!library) return fail(EngineExit::kLibrary, library.error());
  auto pool = engine::Pool::open(**library, engine::connect_arguments(flags.directory.string(), config.string()));
  if (!pool) return fail(EngineExit::kDirectory, pool.error().with_context("open " + flags.directory.string()));

  net::Loop loop;
  engine::Front front(loop, **pool);
  net::ServerOptions options;
  options.address = "unix:" + flags.socket.string();
  options.body_bytes_max = 64 * kMiB;
  options.connections_max = 256;
  options.request_timeout = std::chrono::seconds{120};
  auto server = net::HttpServer::listen({&loop}, options, [&](net::Request& request) { return front.answer(request); });
  if (!server) return fail(EngineExit::kSocket, server.error());

  bool ending = false;
  const auto end = [&] {
    if (std::exchange(ending, true)) return;
    (*server)->drain();
    loop.spawn(end_when_drained(loop, **server));
  };
  loop.on_terminate(end);
  loop.spawn(front.keep_tidy());
  if (flags.parent_pipe >= 0) loop.spawn(end_with_parent(loop, flags.parent_pipe, end));
  log_info("engine", "chDB " + (*library)->version() + " serves " + flags.directory.string() + " on " + flags.socket.string());
  loop.run();

  const bool quiet = (*pool)->stop(std::chrono::seconds{10});
  log_info("engine", quiet ? "ended" : "ended with a statement still running");
  // chDB's threads and destructors have nothing left to do for us: parts are written, and leaving a running query through exit() aborts.
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"chDB behind ClickHouse's HTTP interface on a unix socket"};
  Flags flags;
  app.add_option("--path", flags.directory, "data directory, absolute; one engine per directory")->required();
  app.add_option("--socket", flags.socket, "unix socket to serve, mode 0600")->required();
  app.add_option("--library", flags.library, "libchdb.so")->required();
  app.add_option("--memory", flags.memory, "budget of resident memory, at least 512MiB")->capture_default_str();
  app.add_option("--parent-pipe", flags.parent_pipe, "descriptor whose end of file means that the parent is gone");
  app.set_version_flag("--version", PGA_VERSION);
  CLI11_PARSE(app, argc, argv);

  if (flags.parent_pipe >= 0) {
    // The kernel's word comes at once but is tied to the parent's thread; the pipe is tied to its process.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    fcntl(flags.parent_pipe, F_SETFL, fcntl(flags.parent_pipe, F_GETFL) | O_NONBLOCK);
    fcntl(flags.parent_pipe, F_SETFD, FD_CLOEXEC);
  }
  umask(077);
  const auto memory_bytes = parse_bytes(flags.memory);
  if (!memory_bytes) return fail(EngineExit::kUsage, memory_bytes.error().with_context("--memory"));
  if (*memory_bytes < engine::kMemoryBytesMin)
    return fail(EngineExit::kUsage, invalid("--memory " + flags.memory + " is less than 512MiB, which chDB needs"));
  if (!flags.directory.is_absolute()) return fail(EngineExit::kUsage, invalid("--path " + flags.directory.string() + " is not absolute"));
  return run(flags, *memory_bytes);
}
