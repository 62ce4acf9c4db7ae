// A disk in memory, for tests, fuzzing and simulation. It knows what is on stable storage and what only the page cache has, so that a power
// cut loses, tears and reorders the rest.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/random.h"
#include "journal/disk.h"

namespace pga::journal {

class MemoryDisk final : public Disk {
 public:
  struct Content {
    Bytes bytes = {};    // what a reader sees
    Bytes durable = {};  // what a power cut leaves at least
    // Since the last sync. A cut has no bytes: the file ends at the offset.
    std::vector<std::pair<std::uint64_t, Bytes>> pending = {};
    bool entry_durable = true;  // the directory knows it
  };
  std::map<std::string, std::shared_ptr<Content>> files;  // by path

  // Faults. The function runs before every change and every sync, and may throw: the process died there.
  std::function<void()> before_change = [] {};
  std::uint64_t bytes_max = UINT64_MAX;  // of all files; beyond, a write is short and fails
  int syncs_to_fail = 0;                 // what they should have made durable never becomes so, as the kernel does it
  bool syncs_are_free = false;           // a disk that lies: sync() says ok and does nothing

  void put(const std::string& path, Bytes bytes) {
    files[path] = std::make_shared<Content>(Content{.bytes = bytes, .durable = std::move(bytes)});
  }
  Bytes& bytes(const std::string& path) { return files.at(path)->bytes; }
  [[nodiscard]] std::uint64_t used_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [path, content] : files) sum += content->bytes.size();
    return sum;
  }

  // The process is gone, its handles fail; what it wrote is still there.
  void kill() { ++generation_; }
  // The machine lost its power: of what was not synced, each write is there, not there, or torn at sectors.
  void cut_power(Random& random) {
    kill();
    for (auto& [path, content] : std::exchange(removed_, {})) {
      if (random.next_u64() % 2 == 0) files.emplace(path, std::move(content));
    }
    for (auto at = files.begin(); at != files.end();) {
      Content& content = *at->second;
      if (!content.entry_durable && random.next_u64() % 2 == 0) {
        at = files.erase(at);
        continue;
      }
      for (const auto& [offset, written] : std::exchange(content.pending, {})) keep_some(content.durable, offset, written, random);
      content.bytes = content.durable;
      content.entry_durable = true;
      ++at;
    }
  }

  Result<std::unique_ptr<DiskFile>> create(const std::filesystem::path& path) override {
    PGA_TRY_STATUS(begin_change());
    const auto [it, created] = files.emplace(path.string(), nullptr);
    if (!created) return unavailable("create " + path.string() + ": File exists");
    it->second = std::make_shared<Content>(Content{.entry_durable = false});
    return std::make_unique<File>(*this, it->second);
  }
  Result<std::unique_ptr<DiskFile>> open(const std::filesystem::path& path) override {
    const auto it = files.find(path.string());
    if (it == files.end()) return Error{ErrorCode::kNotFound, "open " + path.string()};
    return std::make_unique<File>(*this, it->second);
  }
  Status remove(const std::filesystem::path& path) override {
    PGA_TRY_STATUS(begin_change());
    const auto it = files.find(path.string());
    if (it == files.end()) return Error{ErrorCode::kNotFound, "remove " + path.string()};
    if (it->second->entry_durable) removed_.insert_or_assign(path.string(), it->second);
    files.erase(it);
    return {};
  }
  Status sync_directory(const std::filesystem::path& directory) override {
    PGA_TRY_STATUS(begin_change());
    for (auto& [path, content] : files) {
      if (std::filesystem::path(path).parent_path() == directory) content->entry_durable = true;
    }
    removed_.clear();
    return {};
  }
  Status make_directory(const std::filesystem::path&) override { return {}; }
  Result<std::string> read_small(const std::filesystem::path& path, std::size_t bytes_max_small) override {
    const auto it = files.find(path.string());
    if (it == files.end()) return Error{ErrorCode::kNotFound, "open " + path.string()};
    if (it->second->bytes.size() > bytes_max_small) return too_large(path.string());
    return std::string(as_text(it->second->bytes));
  }
  Status replace_small(const std::filesystem::path& path, std::string_view content) override {
    PGA_TRY_STATUS(begin_change());
    const ByteView bytes = as_bytes(content);
    put(path.string(), Bytes(bytes.begin(), bytes.end()));
    return {};
  }
  Result<std::vector<std::string>> list(const std::filesystem::path& directory) override {
    std::vector<std::string> names;
    for (const auto& [path, content] : files) {
      const std::filesystem::path file(path);
      if (file.parent_path() == directory) names.push_back(file.filename().string());
    }
    return names;
  }
  Result<std::shared_ptr<void>> lock(const std::filesystem::path&) override {
    locked_generation_ = generation_;
    return std::shared_ptr<void>(std::make_shared<int>(0));
  }

 private:
  static constexpr std::size_t kSectorBytes = 512;

  Status begin_change() const {
    before_change();
    if (locked_generation_ != generation_) return unavailable("the process is gone");
    return {};
  }

  static void apply(Bytes& to, std::uint64_t offset, ByteView written) {
    if (written.empty()) {
      to.resize(offset);
      return;
    }
    to.resize(std::max<std::size_t>(to.size(), offset + written.size()));
    std::ranges::copy(written, to.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  static void keep_some(Bytes& durable, std::uint64_t offset, ByteView written, Random& random) {
    const std::uint64_t chance = random.next_u64() % 5;
    if (chance < 2) return;
    if (chance < 4 || written.empty()) {
      apply(durable, offset, written);
      return;
    }
    for (std::uint64_t at = offset, end = offset + written.size(); at < end;) {
      const std::uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      if (random.next_u64() % 2 == 0) apply(durable, at, written.subspan(at - offset, next - at));
      at = next;
    }
  }

  class File final : public DiskFile {
   public:
    File(MemoryDisk& disk, std::shared_ptr<Content> content) : disk_(disk), content_(std::move(content)), generation_(disk.generation_) {}
    Status write(std::uint64_t offset, ByteView bytes) override {
      PGA_TRY_STATUS(begin_change());
      const std::uint64_t used = disk_.used_bytes();
      const std::uint64_t room = content_->bytes.size() + (disk_.bytes_max > used ? disk_.bytes_max - used : 0);
      const ByteView fits = bytes.first(std::min<std::uint64_t>(bytes.size(), room > offset ? room - offset : 0));
      if (!fits.empty()) change(offset, fits);
      if (fits.size() < bytes.size()) return unavailable("write: No space left on device");
      return {};
    }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override {
      const Bytes& bytes = content_->bytes;
      if (offset >= bytes.size()) return std::size_t{0};
      const std::size_t n = std::min<std::size_t>(out.size(), bytes.size() - offset);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), n, out.begin());
      return n;
    }
    Result<std::uint64_t> size() const override { return content_->bytes.size(); }
    Status truncate(std::uint64_t size) override {
      PGA_TRY_STATUS(begin_change());
      change(size, {});
      return {};
    }
    Status sync() override {
      PGA_TRY_STATUS(begin_change());
      if (disk_.syncs_are_free) return {};
      const auto pending = std::exchange(content_->pending, {});
      if (disk_.syncs_to_fail > 0) {
        --disk_.syncs_to_fail;
        return unavailable("fdatasync: Input/output error");
      }
      for (const auto& [offset, written] : pending) apply(content_->durable, offset, written);
      return {};
    }

   private:
    Status begin_change() {
      disk_.before_change();
      if (generation_ != disk_.generation_) return unavailable("the process is gone");
      return {};
    }
    void change(std::uint64_t offset, ByteView bytes) {
      apply(content_->bytes, offset, bytes);
      content_->pending.emplace_back(offset, Bytes(bytes.begin(), bytes.end()));
    }

    MemoryDisk& disk_;
    std::shared_ptr<Content> content_;
    const std::uint64_t generation_;
  };

  std::map<std::string, std::shared_ptr<Content>> removed_;  // a power cut may bring them back
  std::uint64_t generation_ = 0;
  std::uint64_t locked_generation_ = 0;
};

}  // namespace pga::journal
