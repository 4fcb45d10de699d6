// Large blocks: malloc and free of 64 KiB to 40 MiB, with every page touched or none. Shows which
// blocks an allocator keeps and which it gives back to the kernel each time.
#include <unistd.h>

#include <cstdlib>

#include "micro/harness.h"

namespace ashlar::bench {

namespace {

constexpr size_t kKib = 1024;
constexpr size_t kMib = 1024 * kKib;

void large_pair(benchmark::State& state, size_t size, bool touch) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  PeakRss peak(state);
  for (auto _ : state) {
    volatile char* const block = static_cast<volatile char*>(escape(malloc(size)));
    block[0] = 1;
    for (size_t at = page; touch && at < size; at += page)
      block[at] = 1;
    free(const_cast<char*>(block));
  }
  state.SetItemsProcessed(state.iterations());
  peak.report();
}

}  // namespace

void add_large() {
  for (const size_t size : {64 * kKib, 256 * kKib, kMib, 4 * kMib, 40 * kMib}) {
    const std::string name = "large/" + std::to_string(size / kKib) + "k";
    add(name, [size](benchmark::State& state) { large_pair(state, size, false); });
    add(name + "/touched", [size](benchmark::State& state) { large_pair(state, size, true); });
  }
}

}  // namespace ashlar::bench
