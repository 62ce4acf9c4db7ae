#include "store/engine_child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/files.h"
#include "base/log.h"
#include "net/http_client.h"
#include "net/retry.h"
#include "store/engine_exit.h"

extern char** environ;

namespace pga::store {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 50ms;  // between two looks at a child that starts or ends
constexpr auto kLookEveryRunning = 500ms;
constexpr auto kStopPatience = 15s;  // before SIGKILL: the engine waits 10 s for what runs
constexpr std::size_t kSocketPathMax = 107;

// What the child's end means to a person.
std::string describe(int status, const EngineOptions& options) {
  if (WIFSIGNALED(status)) return "the engine was killed by signal " + std::to_string(WTERMSIG(status));
  switch (static_cast<EngineExit>(WEXITSTATUS(status))) {
    case EngineExit::kClean:
      return "the engine ended";
    case EngineExit::kUsage:
      return "the engine refused its flags";
    case EngineExit::kLibrary:
      return "the engine cannot load " + options.library.string() + ": run ./run setup, or name libchdb.so in engine.library";
    case EngineExit::kDirectory:
      return "the engine cannot open " + options.directory.string() + ": it is in use by another engine, not writable, or broken";
    case EngineExit::kSocket:
      return "the engine cannot serve " + options.socket.string();
  }
  return "the engine ended with status " + std::to_string(WEXITSTATUS(status));
}

// Repeating cannot help; everything else may be a passing trouble.
bool is_hopeless(int status) {
  if (!WIFEXITED(status)) return false;
  const auto exit = static_cast<EngineExit>(WEXITSTATUS(status));
  return exit == EngineExit::kUsage || exit == EngineExit::kLibrary || exit == EngineExit::kSocket || WEXITSTATUS(status) == 127;
}

}  // namespace

struct EngineChild::Impl {
  Impl(net::Loop& event_loop, Random& random, EngineOptions engine_options)
      : loop(event_loop), options(std::move(engine_options)), backoff({500ms, 30'000ms}, random), client(event_loop, client_options()) {}

  [[nodiscard]] net::ClientOptions client_options() const {
    net::ClientOptions result;
    result.base_url = "unix:" + options.socket.string();
    result.connections_max = 1;
    return result;
  }

  Status check() const;
  Status spawn();
  // What the engine before this one wrote becomes durable first. When it opens a table it deletes at once the parts that were merged
  // into others; if the merged ones were still only in memory, a power cut would take both.
  net::Task<Status> sync_and_spawn();
  bool reap();  // true when the child is gone; `last_status` says how
  net::Task<Status> wait_until_it_answers();
  net::Task<> supervise();

  net::Loop& loop;
  const EngineOptions options;
  net::Backoff backoff;
  net::HttpClient client;
  std::atomic<int> pid{-1};
  FileDescriptor pipe;  // our end: the child ends when it closes
  int last_status = 0;
  std::string last_end;
  std::atomic<std::uint64_t> restarts{0};
  bool stopping = false;
};

Status EngineChild::Impl::check() const {
  std::error_code error;
  if (!std::filesystem::exists(options.program, error)) return invalid("engine program " + options.program.string() + " does not exist");
  if (!std::filesystem::exists(options.library, error)) {
    return invalid(
        "engine library " + options.library.string() +
        " does not exist: run ./run setup, name libchdb.so in engine.library, or use storage: http://… for an existing ClickHouse");
  }
  if (!options.directory.is_absolute()) return invalid("engine directory " + options.directory.string() + " is not absolute");
  if (options.socket.string().size() > kSocketPathMax) {
    return invalid("engine socket " + options.socket.string() + " is longer than " + std::to_string(kSocketPathMax) +
                   " bytes, the limit of the operating system");
  }
  return {};
}

Status EngineChild::Impl::spawn() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("make a pipe for the engine");
  FileDescriptor theirs(ends[0]), ours(ends[1]);
  std::vector<std::string> words = {options.program.string(),
                                    "--path",
                                    options.directory.string(),
                                    "--socket",
                                    options.socket.string(),
                                    "--library",
                                    options.library.string(),
                                    "--memory",
                                    std::to_string(options.memory_bytes),
                                    "--parent-pipe",
                                    "0"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGTERM, SIGINT, SIGPIPE, SIGHUP}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  // A group of its own, so that Ctrl-C in a terminal reaches only us, and we end it after the last insert.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int failed = posix_spawn(&child, options.program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    errno = failed;
    return errno_error("start " + options.program.string());
  }
  pid = child;
  pipe = std::move(ours);
  return {};
}

net::Task<Status> EngineChild::Impl::sync_and_spawn() {
  const std::filesystem::path& directory = options.directory;
  PGA_CO_TRY_STATUS(co_await loop.run_blocking([&directory] { return sync_filesystem(directory); }));
  co_return spawn();
}

bool EngineChild::Impl::reap() {
  if (pid < 0) return true;
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return false;
  pid = -1;
  last_status = status;
  last_end = describe(status, options);
  return true;
}

net::Task<Status> EngineChild::Impl::wait_until_it_answers() {
  const Deadline until = std::chrono::steady_clock::now() + options.start_timeout;
  while (std::chrono::steady_clock::now() < until) {
    if (reap()) co_return Error{is_hopeless(last_status) ? ErrorCode::kInvalid : ErrorCode::kUnavailable, last_end};
    const auto answer = co_await client.request("GET", "/ping", {}, {}, std::chrono::steady_clock::now() + 2s);
    if (answer && answer->status == 200) co_return Status{};
    PGA_CO_TRY_STATUS(co_await loop.sleep(kLookEvery));
  }
  co_return Error{ErrorCode::kTimeout, "the engine did not answer within " + std::to_string(options.start_timeout.count()) + " s"};
}

net::Task<> EngineChild::Impl::supervise() {
  while (!stopping) {
    const Status slept = co_await loop.sleep(kLookEveryRunning);
    if (!slept || stopping) co_return;
    if (!reap()) continue;
    log_error("engine", last_end + "; starting it again");
    const auto began = std::chrono::steady_clock::now();
    const Status paused = co_await loop.sleep(backoff.next());
    if (!paused || stopping) co_return;
    ++restarts;
    Status answered = co_await sync_and_spawn();
    if (answered) answered = co_await wait_until_it_answers();
    if (answered) {
      backoff.succeeded();
      const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
      log_info("engine", "answers again after " + std::to_string(pause.count()) + " ms");
    } else {
      log_error("engine", answered.error().message);
      if (pid >= 0) ::kill(pid, SIGKILL);
    }
  }
}

EngineChild::EngineChild(net::Loop& loop, Random& random, EngineOptions options)
    : impl_(std::make_unique<Impl>(loop, random, std::move(options))) {}

EngineChild::~EngineChild() {
  if (impl_->pid < 0) return;
  ::kill(impl_->pid, SIGKILL);
  ::waitpid(impl_->pid, nullptr, 0);
}

net::Task<Status> EngineChild::start() {
  Impl& impl = *impl_;
  PGA_CO_TRY_STATUS(impl.check());
  PGA_CO_TRY_STATUS(make_directories(impl.options.directory));
  const Deadline until = std::chrono::steady_clock::now() + impl.options.refused_patience;
  for (;;) {
    PGA_CO_TRY_STATUS(co_await impl.sync_and_spawn());
    Status answered = co_await impl.wait_until_it_answers();
    if (answered) break;
    if (answered.error().code != ErrorCode::kUnavailable || impl.pid >= 0 || std::chrono::steady_clock::now() > until) co_return answered;
    PGA_CO_TRY_STATUS(co_await impl.loop.sleep(500ms));
  }
  impl.loop.spawn(impl.supervise());
  co_return Status{};
}

void EngineChild::restart(std::string why) {
  impl_->loop.post([impl = impl_.get(), why = std::move(why)] {
    if (impl->stopping || impl->pid < 0) return;
    log_warning("engine", why + ": it is started again");
    ::kill(impl->pid, SIGKILL);
  });
}

net::Task<Status> EngineChild::stop() {
  Impl& impl = *impl_;
  impl.stopping = true;
  if (impl.reap()) co_return Status{};
  ::kill(impl.pid, SIGTERM);
  const Deadline until = std::chrono::steady_clock::now() + kStopPatience;
  while (!impl.reap()) {
    // Sleeps end at once while the loop stops; then we wait the hard way, because there is nothing else left to do.
    const Status slept = co_await impl.loop.sleep(kLookEvery);
    if (!slept) ::usleep(10'000);
    if (std::chrono::steady_clock::now() < until) continue;
    ::kill(impl.pid, SIGKILL);
    ::waitpid(impl.pid, &impl.last_status, 0);
    impl.pid = -1;
    co_return unavailable("the engine did not end within " + std::to_string(kStopPatience.count()) + " s and was killed");
  }
  co_return Status{};
}

int EngineChild::pid() const { return impl_->pid; }
std::uint64_t EngineChild::restarts() const { return impl_->restarts; }
std::string EngineChild::last_end() const { return impl_->last_end; }

}  // namespace pga::store
