// Programs that change: a heap of small objects thinned out and refilled with larger ones, and a
// big heap that is freed altogether. What counts is how much memory stays behind.
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "micro/harness.h"
#include "micro/mapped_array.h"
#include "micro/random.h"
#include "support/memory.h"

namespace ashlar::bench {

namespace {

constexpr size_t kMib = size_t{1} << 20;

constexpr size_t kShiftObjects = 1000 * 1000;
constexpr size_t kShiftFreed = kShiftObjects / 100 * 95;
constexpr size_t kShiftLive = 280 * kMib;
constexpr size_t kRefillLow = 1100;
constexpr size_t kRefillHigh = 2000;

constexpr size_t kFillBytes = 800 * kMib;
constexpr size_t kSmallLow = 16;
constexpr size_t kSmallHigh = 1024;
constexpr size_t kFillObjects = kFillBytes / ((kSmallLow + kSmallHigh) / 2);

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The objects of one thread, with sizes and the order of frees drawn before the clock starts.
struct Objects {
  Objects(size_t n, uint64_t seed) : blocks(n), sizes(n), order(n) {
    Random random(seed);
    fill_with_sizes(sizes, kSmallLow, kSmallHigh, random);
    fill_with_permutation(order, random);
  }

  // Allocates object `i`; its size.
  size_t allocate(size_t i) {
    blocks[i] = write_first_word(escape(malloc(sizes[i])), i);
    return sizes[i];
  }

  MappedArray<void*> blocks;
  MappedArray<uint16_t> sizes;
  MappedArray<uint32_t> order;
};

// Small objects, 95 % of them freed at random, refilled with larger ones. The live bytes at the end.
size_t shift(Objects& objects, Random& random) {
  size_t live = 0;
  for (size_t i = 0; i < kShiftObjects; ++i)
    live += objects.allocate(i);
  for (size_t k = 0; k < kShiftFreed; ++k) {
    const uint32_t i = objects.order[k];
    free(objects.blocks[i]);
    objects.blocks[i] = nullptr;
    live -= objects.sizes[i];
  }
  for (size_t k = 0; live < kShiftLive; ++k) {
    const uint32_t i = objects.order[k];
    objects.sizes[i] = static_cast<uint16_t>(random.between(kRefillLow, kRefillHigh));
    live += objects.allocate(i);
  }
  return live;
}

void phase_shift(benchmark::State& state) {
  Objects objects(kShiftObjects, 6);
  Random random(7);
  meet_partner(state);
  PeakRss peak(state);
  meet_partner(state);
  size_t live = 0;
  for (auto _ : state)
    live = shift(objects, random);
  meet_partner(state);
  if (state.thread_index() == 0) {
    const double live_mib = to_mib(live / 1024) * state.threads();
    const double rss_mib = to_mib(resident_kib() - peak.start_kib());
    state.counters["live_mib"] = live_mib;
    state.counters["rss_over_live"] = rss_mib / live_mib;
  }
  peak.report();
  meet_partner(state);
  for (void* const block : objects.blocks)
    free(block);
}

void fill_and_free(benchmark::State& state) {
  Objects objects(kFillObjects, 8);
  meet_partner(state);
  PeakRss peak(state);
  meet_partner(state);
  double fill_ms = 0;
  double free_ms = 0;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < kFillObjects; ++i)
      objects.allocate(i);
    fill_ms = ms_since(start);
    for (const uint32_t i : objects.order)
      free(objects.blocks[i]);
    free_ms = ms_since(start) - fill_ms;
  }
  meet_partner(state);
  peak.report();
  if (state.thread_index() != 0) return;
  state.counters["fill_ms"] = fill_ms;
  state.counters["free_ms"] = free_ms;
  state.counters["rss_start_mib"] = to_mib(peak.start_kib());
  state.counters["rss_after_mib"] = to_mib(resident_kib());
}

}  // namespace

void add_phases() {
  add("phase_shift", phase_shift)->Iterations(1)->Unit(benchmark::kMillisecond);
  add("fill_and_free", fill_and_free)->Iterations(1)->Unit(benchmark::kMillisecond);
}

}  // namespace ashlar::bench
