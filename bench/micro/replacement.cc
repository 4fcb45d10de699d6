// Random replacement: a heap of constant size in which each step frees a random block and allocates
// a new one. The steady state of caches, tables and servers. An item is one step.
#include <cstdint>
#include <cstdlib>

#include "micro/harness.h"
#include "micro/mapped_array.h"
#include "micro/random.h"

namespace ashlar::bench {

namespace {

constexpr size_t kSmallHeap = 1000;
constexpr size_t kBigHeap = 1000 * 1000;
// The big heap is filled before the clock starts, so the number of steps is fixed: a search for it
// would fill the heap several times.
constexpr int64_t kBigHeapSteps = 2 * 1000 * 1000;

void replace(benchmark::State& state, size_t heap, size_t low, size_t high) {
  MappedArray<void*> blocks(heap);
  Random random(5 + static_cast<uint64_t>(state.thread_index()));
  PeakRss peak(state);
  for (void*& block : blocks)
    block = write_first_word(escape(malloc(random.between(low, high))), 1);
  for (auto _ : state) {
    void*& block = blocks[random.below(heap)];
    free(block);
    block = write_first_word(escape(malloc(random.between(low, high))), 2);
  }
  state.SetItemsProcessed(state.iterations());
  peak.report();
  for (void* const block : blocks)
    free(block);
}

}  // namespace

void add_replacement() {
  add("replace/1000/64", [](benchmark::State& state) { replace(state, kSmallHeap, 64, 64); });
  add("replace/1000/mixed", [](benchmark::State& state) { replace(state, kSmallHeap, 16, 1024); });
  add("replace/1000000/64", [](benchmark::State& state) {
    replace(state, kBigHeap, 64, 64);
  })->Iterations(kBigHeapSteps);
  add("replace/1000000/mixed", [](benchmark::State& state) {
    replace(state, kBigHeap, 16, 1024);
  })->Iterations(kBigHeapSteps);
}

}  // namespace ashlar::bench
