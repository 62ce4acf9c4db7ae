#include "journal/disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"

namespace pga::journal {
namespace {

class PosixFile final : public DiskFile {
 public:
  PosixFile(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Status write(std::uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return errno_error("write " + path_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(file_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read " + path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Result<std::uint64_t> size() const override {
    struct stat info{};
    if (::fstat(file_.get(), &info) != 0) return errno_error("stat " + path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status truncate(std::uint64_t size) override {
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) return errno_error("truncate " + path_);
    return {};
  }

  Status sync() override {
    if (::fdatasync(file_.get()) != 0) return errno_error("fdatasync " + path_);
    return {};
  }

 private:
  FileDescriptor file_;
  std::string path_;
};

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<DiskFile>> create(const std::filesystem::path& path) override { return open_with(path, O_CREAT | O_EXCL); }
  Result<std::unique_ptr<DiskFile>> open(const std::filesystem::path& path) override { return open_with(path, 0); }

  Status remove(const std::filesystem::path& path) override {
    if (::unlink(path.c_str()) != 0) return errno_error("remove " + path.string());
    return {};
  }

  Status sync_directory(const std::filesystem::path& path) override { return fsync_directory(path); }
  Status make_directory(const std::filesystem::path& path) override { return make_directories(path); }

  Result<std::string> read_small(const std::filesystem::path& path, std::size_t bytes_max) override { return read_file(path, bytes_max); }
  Status replace_small(const std::filesystem::path& path, std::string_view content) override { return write_file_atomic(path, content); }

  Result<std::vector<std::string>> list(const std::filesystem::path& directory) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
      if (it->is_regular_file(error)) names.push_back(it->path().filename().string());
    }
    if (error) return unavailable("list " + directory.string() + ": " + error.message());
    return names;
  }

  Result<std::shared_ptr<void>> lock(const std::filesystem::path& path) override {
    auto file = std::make_shared<FileDescriptor>(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!*file) return errno_error("open " + path.string());
    if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return unavailable(path.string() + " is locked: another process has this log open");
      return errno_error("lock " + path.string());
    }
    return std::shared_ptr<void>(std::move(file));
  }

 private:
  static Result<std::unique_ptr<DiskFile>> open_with(const std::filesystem::path& path, int flags) {
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
    if (!file) return errno_error("open " + path.string());
    return std::make_unique<PosixFile>(std::move(file), path.string());
  }
};

}  // namespace

Disk& posix_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace pga::journal
