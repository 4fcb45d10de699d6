#include "blocks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "contents.h"
#include "status.h"
#include "support/scratch.h"

namespace ashlar::soak {
namespace {

constexpr size_t kResizedMost = 48 << 20;  // bytes that realloc grows a block to

void add(std::atomic<size_t>& count, size_t n) {
  count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

// One line and the end: what the contents were like is lost with the next operation.
[[noreturn]] void stop(const char* when, const char* start, size_t bytes, const Mismatch& found) {
  char line[200];
  const int length =
      snprintf(line, sizeof line,
               "soak: MISMATCH %s: block of %zu bytes at %p: byte %zu is 0x%02x, written was 0x%02x\n", when,
               bytes, static_cast<const void*>(start), found.offset, found.found, found.expected);
  (void)!write(STDERR_FILENO, line, static_cast<size_t>(length));
  _exit(kMismatchStatus);
}

}  // namespace

void BlockSet::set_up(uint32_t number) {
  pthread_mutex_init(&mutex_, nullptr);
  random_ = bench::Random(number + 1);
  next_seed_ = number << 28;
  blocks_ = bench::mapped_array<Block>(kCapacity);
}

// By malloc mostly; one in 16 by calloc, one in 32 aligned: to 16 to 128 B, large ones up to a page.
char* BlockSet::obtain(size_t bytes) {
  const size_t draw = random_.below(32);
  void* block = nullptr;
  if (draw == 0) {
    const size_t alignment = size_t{16} << random_.below(bytes < kWholeBytes ? 4 : 9);
    if (posix_memalign(&block, alignment, bytes) != 0) block = nullptr;
    if (reinterpret_cast<uintptr_t>(block) % alignment != 0) {
      fprintf(stderr, "soak: %p is not aligned to %zu\n", block, alignment);
      _exit(kMismatchStatus);
    }
  } else if (draw <= 2) {
    block = calloc(1, bytes);
    Mismatch found;
    if (block != nullptr && !is_zero(static_cast<char*>(block), bytes, &found))
      stop("after calloc", static_cast<char*>(block), bytes, found);
  } else {
    block = malloc(bytes);
  }
  if (block == nullptr) {
    fprintf(stderr, "soak: no memory for %zu bytes\n", bytes);
    _exit(kNoMemoryStatus);
  }
  return static_cast<char*>(block);
}

void BlockSet::check(const Block& block, size_t kept, const char* when) const {
  Mismatch found;
  if (!has_contents(block.start, block.bytes, kept, block.seed, &found))
    stop(when, block.start, block.bytes, found);
}

void BlockSet::allocate(const Phase& phase) {
  if (full()) return;
  const size_t bytes = draw_size(phase, random_);
  Block& block = blocks_[size_++];
  block = {obtain(bytes), static_cast<uint32_t>(bytes), next_seed_++};
  write_contents(block.start, bytes, block.seed);
  add(counts_.live_bytes, bytes);
  add(counts_.live_blocks, 1);
  add(counts_.allocations, 1);
  add(counts_.allocated_bytes, bytes);
}

void BlockSet::free_one() {
  if (size_ == 0) return;
  Block& block = any();
  check(block, block.bytes, "before free");
  free(block.start);
  add(counts_.live_bytes, size_t{0} - block.bytes);
  add(counts_.live_blocks, size_t{0} - 1);
  add(counts_.frees, 1);
  add(counts_.checks, 1);
  block = blocks_[--size_];
}

// Half of the time to a size of the phase, else by half as much again, as a growing buffer.
void BlockSet::resize_one(const Phase& phase) {
  if (size_ == 0) return;
  Block& block = any();
  const size_t grown = std::min<size_t>(block.bytes + block.bytes / 2 + 1, kResizedMost);
  const size_t bytes = random_.below(2) == 0 ? draw_size(phase, random_) : grown;
  check(block, block.bytes, "before realloc");
  if (bytes < block.bytes) write_end(block.start, bytes, block.seed);
  auto* const moved = static_cast<char*>(realloc(block.start, bytes));
  if (moved == nullptr) {
    fprintf(stderr, "soak: no memory to resize %u bytes to %zu\n", block.bytes, bytes);
    _exit(kNoMemoryStatus);
  }
  block.start = moved;
  check(block, bytes, "after realloc");
  add(counts_.live_bytes, bytes - block.bytes);
  add(counts_.allocated_bytes, bytes);
  add(counts_.resizes, 1);
  add(counts_.checks, 2);
  block.bytes = static_cast<uint32_t>(bytes);
  write_contents(block.start, bytes, block.seed);
}

void BlockSet::check_one() {
  if (size_ == 0) return;
  const Block& block = any();
  check(block, block.bytes, "at a random time");
  add(counts_.checks, 1);
}

BlockSet* make_sets() {
  auto* const sets = bench::mapped_array<BlockSet>(kSets);
  for (uint32_t i = 0; i < kSets; ++i)
    (new (&sets[i]) BlockSet())->set_up(i);
  return sets;
}

}  // namespace ashlar::soak
