// Random bytes enter through a constructor, so that a seeded simulation can own them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace pga {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> out) = 0;
  std::uint64_t next_u64();
  double next_unit();  // uniform in [0, 1)
};

// The kernel's generator (getrandom): good for keys, tokens and epochs.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override;
};

// Reproducible from its seed; never for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace pga
