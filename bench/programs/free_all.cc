// What stays resident when a program has freed everything: each thread allocates its share of 800 MiB
// in blocks of 16 B to 2 KiB and frees all of it itself, in random order. The threads live on until
// RSS was read: what their caches hold counts.
//
//   free_all [THREADS [MIB]]     (default 1 800; one thread is the main thread)
#include <pthread.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>

#include "support/memory.h"
#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kSmallest = 16;
constexpr size_t kLargest = 2048;
constexpr size_t kThreadsMax = 256;

// Passed by all threads and main: started, all allocated, peak read, all freed, RSS read.
pthread_barrier_t barrier;

struct Share {
  char** blocks;
  size_t capacity;
  size_t bytes;
  uint64_t seed;
};

size_t allocate(const Share& share, Random& random) {
  size_t count = 0;
  for (size_t bytes = 0; bytes < share.bytes && count < share.capacity;) {
    const size_t size = random.between(kSmallest, kLargest);
    share.blocks[count++] = touched_block(size);
    bytes += size;
  }
  return count;
}

void free_randomly(const Share& share, size_t count, Random& random) {
  shuffle(share.blocks, count, random);
  for (size_t i = 0; i < count; ++i)
    free(share.blocks[i]);
}

void* run_thread(void* argument) {
  const Share& share = *static_cast<Share*>(argument);
  Random random(share.seed);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  const size_t count = allocate(share, random);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  free_randomly(share, count, random);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return nullptr;
}

struct Readings {
  size_t start;
  size_t peak;
  size_t after;
};

size_t resident_after_a_while() {
  const timespec tenth = {0, 100'000'000};
  nanosleep(&tenth, nullptr);
  return resident_kib();
}

Readings measure_alone(const Share& share) {
  Random random(share.seed);
  Readings readings{};
  readings.start = resident_kib();
  const size_t count = allocate(share, random);
  readings.peak = resident_kib();
  free_randomly(share, count, random);
  readings.after = resident_after_a_while();
  return readings;
}

Readings measure_threads(Share* shares, size_t threads) {
  static pthread_t handles[kThreadsMax];
  pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(threads + 1));
  for (size_t i = 0; i < threads; ++i)
    if (pthread_create(&handles[i], nullptr, run_thread, &shares[i]) != 0) exit(1);
  Readings readings{};
  for (size_t* reading : {&readings.start, &readings.peak, &readings.after}) {
    pthread_barrier_wait(&barrier);
    *reading = reading == &readings.after ? resident_after_a_while() : resident_kib();
    pthread_barrier_wait(&barrier);
  }
  for (size_t i = 0; i < threads; ++i)
    pthread_join(handles[i], nullptr);
  return readings;
}

}  // namespace

int main(int argc, char** argv) {
  static Share shares[kThreadsMax];
  const size_t threads = argc > 1 ? strtoul(argv[1], nullptr, 10) : 1;
  const size_t total = (argc > 2 ? strtoul(argv[2], nullptr, 10) : 800) << 20;
  if (threads == 0 || threads > kThreadsMax) return 2;
  for (size_t i = 0; i < threads; ++i) {
    // A tenth more than the mean block needs: the sum of so many sizes strays by far less.
    const size_t capacity = total / threads / ((kSmallest + kLargest) / 2) * 11 / 10 + 100;
    shares[i] = {mapped_array<char*>(capacity), capacity, total / threads, i + 1};
  }
  const Readings readings = threads == 1 ? measure_alone(shares[0]) : measure_threads(shares, threads);
  printf("start_mib=%.2f peak_mib=%.1f after_mib=%.2f grown_kib=%ld\n",
         static_cast<double>(readings.start) / 1024, static_cast<double>(readings.peak) / 1024,
         static_cast<double>(readings.after) / 1024,
         static_cast<long>(readings.after) - static_cast<long>(readings.start));
  return 0;
}
