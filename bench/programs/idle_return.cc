// What goes back to the system by itself: 400 MiB of blocks of 512 B to 2 KiB, 19 in 20 of them freed
// at random, then nothing: no call to the allocator that could return memory late. Nearly every page
// still holds a live block or two, so that an allocator that returns only whole slabs returns little.
//
//   idle_return [MIB]     (default 400)
//
// excess = peak - live, the most that could go back; returned = the share of it that did, 0.1 s after
// the last free. All RSS figures are beyond what was resident at the start.
#include <time.h>

#include <cstdio>
#include <cstdlib>

#include "support/memory.h"
#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kSmallest = 512;
constexpr size_t kLargest = 2048;
constexpr size_t kKeptIn = 20;

struct Block {
  char* start;
  size_t bytes;
};

// Bytes that were asked for and stay live.
size_t free_most(Block* blocks, size_t count, Random& random) {
  size_t live = 0;
  shuffle(blocks, count, random);
  for (size_t i = 0; i < count; ++i) {
    if (i % kKeptIn == 0) {
      live += blocks[i].bytes;
    } else {
      free(blocks[i].start);
    }
  }
  return live;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t total = (argc > 1 ? strtoul(argv[1], nullptr, 10) : 400) << 20;
  Block* const blocks = mapped_array<Block>(total / kSmallest + 1);
  Random random(1);

  const size_t start = resident_kib();
  size_t count = 0;
  for (size_t bytes = 0; bytes < total; bytes += blocks[count++].bytes) {
    const size_t size = random.between(kSmallest, kLargest);
    blocks[count] = {touched_block(size), size};
  }
  const size_t peak = resident_kib() - start;
  const size_t live = free_most(blocks, count, random) >> 10;

  const timespec tenth = {0, 100'000'000};
  nanosleep(&tenth, nullptr);
  const size_t now = resident_kib();
  const size_t after = now > start ? now - start : 0;
  const double returned = 100.0 * (static_cast<double>(peak) - static_cast<double>(after)) /
                          (static_cast<double>(peak) - static_cast<double>(live));
  printf("peak_mib=%.1f live_mib=%.1f after_mib=%.1f returned_pct=%.1f\n", static_cast<double>(peak) / 1024,
         static_cast<double>(live) / 1024, static_cast<double>(after) / 1024, returned);
  return 0;
}
