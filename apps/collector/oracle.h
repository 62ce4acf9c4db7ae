// What ./run faults compares the store with: every frame that the server acknowledged, told to a process that outlives everything.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"

namespace pga::collector {

// Over a unix stream socket, per frame: length (u32, little-endian), then the frame as in docs/wire.md, standing alone. The oracle answers
// with one byte once it has the frame on stable storage.
class Oracle {
 public:
  explicit Oracle(std::filesystem::path socket) : socket_(std::move(socket)) {}
  ~Oracle();
  Oracle(const Oracle&) = delete;

  // Blocks until the oracle has it; connects if need be.
  Status tell(ByteView frame);

 private:
  Status connect();
  Status exchange(ByteView frame);
  void close();

  const std::filesystem::path socket_;
  int fd_ = -1;
};

}  // namespace pga::collector
