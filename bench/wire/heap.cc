// Counts malloc itself, since zstd and zlib do not use operator new. One thread measures; others would only add.
#include "heap.h"

#include <malloc.h>

#include <atomic>
#include <cstddef>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void __libc_free(void*);
}

namespace {
std::atomic<bool> counting{false};
std::atomic<std::ptrdiff_t> now{0}, peak{0};
void* added(void* block) {
  if (!counting.load(std::memory_order_relaxed)) return block;
  const std::ptrdiff_t total = now += static_cast<std::ptrdiff_t>(malloc_usable_size(block));
  if (total > peak.load(std::memory_order_relaxed)) peak = total;
  return block;
}
void removed(void* block) {
  if (counting.load(std::memory_order_relaxed)) now -= static_cast<std::ptrdiff_t>(malloc_usable_size(block));
}
}  // namespace

extern "C" {
void* malloc(std::size_t n) { return added(__libc_malloc(n)); }
void* calloc(std::size_t n, std::size_t size) { return added(__libc_calloc(n, size)); }
void* realloc(void* block, std::size_t n) {
  removed(block);
  return added(__libc_realloc(block, n));
}
void free(void* block) {
  removed(block);
  __libc_free(block);
}
}

namespace pga::bench {
void heap_mark() {
  now = 0;
  peak = 0;
  counting = true;
}

std::size_t heap_peak() {
  counting = false;
  return static_cast<std::size_t>(peak.load());
}
}  // namespace pga::bench
