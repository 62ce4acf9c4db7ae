#include "key_files.h"

#include <sys/stat.h>

#include "base/files.h"

namespace pga::server {
namespace {

constexpr std::size_t kKeyBytesMin = 64;  // of a PEM key; less is no key

}  // namespace

bool is_there(const std::filesystem::path& path) {
  std::error_code code;
  return std::filesystem::exists(path, code);
}

Result<Secret<std::string>> read_key(const std::filesystem::path& path) {
  PGA_TRY(std::string text, read_file(path, kPemBytesMax));
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno_error(path.string());
  if ((info.st_mode & 077) != 0) return invalid(path.string() + " can be read by others than its owner: chmod 600 " + path.string());
  if (text.size() < kKeyBytesMin) return invalid(path.string() + " of " + std::to_string(text.size()) + " bytes holds no key");
  return Secret<std::string>(std::move(text));
}

Result<identity::KeyAndCertificate> read_pair(const std::filesystem::path& directory, const std::string& name) {
  identity::KeyAndCertificate pair;
  PGA_TRY(pair.key_pem, read_key(directory / (name + ".key")));
  PGA_TRY(pair.certificate_pem, read_file(directory / (name + ".pem"), kPemBytesMax));
  return pair;
}

Status write_pair(const std::filesystem::path& directory, const std::string& name, const identity::KeyAndCertificate& pair) {
  PGA_TRY_STATUS(write_file_atomic(directory / (name + ".key"), pair.key_pem.read(), 0600));
  return write_file_atomic(directory / (name + ".pem"), pair.certificate_pem, 0644);
}

}  // namespace pga::server
