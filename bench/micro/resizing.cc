// calloc, and realloc of a block that grows by a half from 16 B to 4 MiB as a vector does. An item
// is one calloc and free, or one step of growth.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "micro/harness.h"

namespace ashlar::bench {

namespace {

constexpr size_t kGrowthStart = 16;
constexpr size_t kGrowthEnd = size_t{4} << 20;

void clear_and_free(benchmark::State& state, size_t size, bool touch) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  PeakRss peak(state);
  for (auto _ : state) {
    char* const block = static_cast<char*>(escape(calloc(1, size)));
    write_first_word(block, size);
    for (size_t at = page; touch && at < size; at += page)
      static_cast<volatile char*>(block)[at] = 1;
    free(block);
  }
  state.SetItemsProcessed(state.iterations());
  peak.report();
}

// `write_all`: the program writes what it gained, as a vector's owner does; otherwise the last byte.
char* grow_by_half(char* block, size_t& size, bool write_all) {
  const size_t grown = std::min(size + size / 2, kGrowthEnd);
  block = static_cast<char*>(escape(realloc(block, grown)));
  if (write_all) memset(block + size, 1, grown - size);
  static_cast<volatile char*>(block)[grown - 1] = 1;
  size = grown;
  return block;
}

// One block alone at the end of the heap: the best case of an allocator that can extend it there.
void grow_alone(benchmark::State& state, bool write_all) {
  int64_t steps = 0;
  PeakRss peak(state);
  for (auto _ : state) {
    size_t size = kGrowthStart;
    char* block = static_cast<char*>(escape(malloc(size)));
    for (; size < kGrowthEnd; ++steps)
      block = grow_by_half(block, size, write_all);
    free(block);
  }
  state.SetItemsProcessed(steps);
  peak.report();
}

// Several blocks that grow in turn: whatever follows one of them is soon taken by another.
void grow_in_turn(benchmark::State& state) {
  constexpr size_t kBlocks = 4;
  int64_t steps = 0;
  PeakRss peak(state);
  for (auto _ : state) {
    std::array<char*, kBlocks> blocks;
    for (char*& block : blocks)
      block = static_cast<char*>(escape(malloc(kGrowthStart)));
    size_t grown = kGrowthStart;
    for (size_t size = kGrowthStart; size < kGrowthEnd; size = grown) {
      for (char*& block : blocks) {
        grown = size;
        block = grow_by_half(block, grown, true);
        ++steps;
      }
    }
    for (char* const block : blocks)
      free(block);
  }
  state.SetItemsProcessed(steps);
  peak.report();
}

}  // namespace

void add_resizing() {
  for (const size_t size : {size_t{64}, size_t{1024}, size_t{64} << 10, size_t{1} << 20}) {
    add("calloc/" + std::to_string(size),
        [size](benchmark::State& state) { clear_and_free(state, size, false); });
  }
  add("calloc/1048576/touched",
      [](benchmark::State& state) { clear_and_free(state, size_t{1} << 20, true); });
  add("realloc/growth", [](benchmark::State& state) { grow_alone(state, false); });
  add("realloc/growth/written", [](benchmark::State& state) { grow_alone(state, true); });
  add("realloc/growth/in_turn", grow_in_turn);
}

}  // namespace ashlar::bench
