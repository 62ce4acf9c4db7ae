#include "collect/remote_filesystems.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace pga::collect {
namespace {

// A file server that answers when told to. Static, since whoever measures gets only a path.
struct Server {
  std::mutex mutex;
  std::condition_variable changed;
  bool answers = false;
  int asked = 0;

  static Server& instance() {
    static Server server;
    return server;
  }
  static std::optional<FilesystemUse> measure(const std::string& mountpoint) {
    Server& server = instance();
    std::unique_lock lock(server.mutex);
    ++server.asked;
    server.changed.notify_all();
    if (mountpoint == "/hangs") server.changed.wait(lock, [&] { return server.answers; });
    return FilesystemUse{100, 50, 40, 10, 5};
  }
};

// Begins a measurement as soon as the one before has ended; the test's own time limit ends what never does.
void measure_when_free(RemoteFilesystems& remote, const std::vector<std::string>& mounts) {
  while (!remote.measure(mounts).empty()) std::this_thread::yield();
}

TEST_CASE("a file system that hangs is named, holds nobody up, and has its numbers again when it answers") {
  Server& server = Server::instance();
  RemoteFilesystems remote(&Server::measure);
  CHECK(remote.measure({"/answers", "/hangs"}).empty());
  CHECK(!remote.last("/hangs"));
  {
    std::unique_lock lock(server.mutex);
    server.changed.wait(lock, [&] { return server.asked == 2; });
  }
  REQUIRE(remote.last("/answers"));
  CHECK(remote.last("/answers")->available_bytes == 40);
  CHECK(remote.measure({"/answers", "/hangs"}).find("/hangs did not answer") != std::string::npos);
  CHECK(!remote.last("/hangs"));
  {
    const std::lock_guard lock(server.mutex);
    server.answers = true;
    server.changed.notify_all();
  }
  measure_when_free(remote, {"/answers", "/hangs"});
  while (!remote.last("/hangs")) std::this_thread::yield();
  CHECK(remote.last("/hangs")->free_bytes == 50);
  measure_when_free(remote, {"/answers"});  // no longer mounted
  CHECK(!remote.last("/hangs"));
}

TEST_CASE("file systems of other machines are told from those of this one") {
  for (const char* type : {"nfs", "nfs4", "cifs", "fuse.sshfs", "ceph"}) CHECK_MESSAGE(RemoteFilesystems::is_remote(type), type);
  for (const char* type : {"ext4", "xfs", "btrfs", "zfs", "overlay", "fuseblk", "fuse.lxcfs"})
    CHECK_MESSAGE(!RemoteFilesystems::is_remote(type), type);
}

}  // namespace
}  // namespace pga::collect
