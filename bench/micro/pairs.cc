// Pairs: malloc and at once free, of one size and of random sizes. The shortest path there is.
#include <cstdint>
#include <cstdlib>

#include "micro/harness.h"
#include "micro/mapped_array.h"
#include "micro/random.h"

namespace ashlar::bench {

namespace {

constexpr size_t kSizeTable = 4096;  // a power of two; longer than branch predictors remember

void pair_of_one_size(benchmark::State& state, size_t size) {
  PeakRss peak(state);
  for (auto _ : state) {
    void* const block = escape(malloc(size));
    write_first_word(block, size);
    free(block);
  }
  state.SetItemsProcessed(state.iterations());
  peak.report();
}

void pair_of_mixed_sizes(benchmark::State& state, size_t low, size_t high) {
  MappedArray<uint16_t> sizes(kSizeTable);
  Random random(1);
  fill_with_sizes(sizes, low, high, random);
  PeakRss peak(state);
  size_t i = 0;
  for (auto _ : state) {
    void* const block = escape(malloc(sizes[i++ % kSizeTable]));
    write_first_word(block, i);
    free(block);
  }
  state.SetItemsProcessed(state.iterations());
  peak.report();
}

}  // namespace

void add_pairs() {
  for (const size_t size : {16, 64, 256, 512, 1000, 4096, 16384}) {
    add("pairs/" + std::to_string(size), [size](benchmark::State& state) { pair_of_one_size(state, size); });
  }
  add("pairs/mixed_16_1024", [](benchmark::State& state) { pair_of_mixed_sizes(state, 16, 1024); });
  add("pairs/mixed_16_16384", [](benchmark::State& state) { pair_of_mixed_sizes(state, 16, 16384); });
}

}  // namespace ashlar::bench
