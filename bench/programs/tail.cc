// How long the slowest calls take: a million random malloc and free calls on a heap of 20,000 live
// blocks of 16 B to 64 KiB, log-uniform, each call timed by itself.
//
//   tail [CALLS [LIVE]]     (default 1000000 20000)
//
// The times hold two readings of the clock, about 25 ns in all. The first touch of a block is not
// timed, but its page faults are counted.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kSmallest = 16;
constexpr size_t kLargest = 64 << 10;

uint64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t page_faults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

// One call: frees what is in the slot, or fills it. Its nanoseconds.
uint64_t timed_call(char*& slot, Random& random) {
  if (slot != nullptr) {
    const uint64_t before = now_ns();
    free(slot);
    const uint64_t took = now_ns() - before;
    slot = nullptr;
    return took;
  }
  const size_t bytes = random.log_between(kSmallest, kLargest);
  const uint64_t before = now_ns();
  slot = static_cast<char*>(malloc(bytes));
  const uint64_t took = now_ns() - before;
  if (slot == nullptr) exit(1);
  for (size_t at = 0; at < bytes; at += 4096)
    static_cast<volatile char*>(slot)[at] = 1;
  return took;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t calls = argc > 1 ? strtoul(argv[1], nullptr, 10) : 1'000'000;
  const size_t live = argc > 2 ? strtoul(argv[2], nullptr, 10) : 20'000;
  if (calls == 0 || live == 0) return 2;
  // A random slot is as likely full as empty: half of twice as many stay live.
  const size_t slots = 2 * live;
  char** const blocks = mapped_array<char*>(slots);
  uint64_t* const times = mapped_array<uint64_t>(calls);
  Random random(1);
  for (size_t i = 0; i < slots; i += 2)
    blocks[i] = touched_block(random.log_between(kSmallest, kLargest));

  const uint64_t faults_before = page_faults();
  for (size_t i = 0; i < calls; ++i)
    times[i] = timed_call(blocks[random.below(slots)], random);
  const uint64_t faults = page_faults() - faults_before;

  std::sort(times, times + calls);
  const auto quantile = [&](size_t per_10000) {
    return static_cast<unsigned long>(times[(calls - 1) * per_10000 / 10000]);
  };
  printf("p50_ns=%lu p99_ns=%lu p99.99_ns=%lu max_ns=%lu faults=%lu\n", quantile(5000), quantile(9900),
         quantile(9999), quantile(10000), static_cast<unsigned long>(faults));
  return 0;
}
