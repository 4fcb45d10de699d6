// Threads in a ring: each allocates a batch of blocks, all wait, and each frees the batch of its neighbour;
// so every block is freed by another thread than allocated it (with one thread: by the same). Run under
// callgrind by locked_instructions.py, which counts what a block costs.
//
//   handover_ring THREADS ROUNDS SMALLEST LARGEST ORDER      sizes in bytes, ORDER: allocation or random
//
// Does the same work in every run. The threads wait by yielding, with atomics of this program alone, so
// that no locked instruction of libc is the program's. At the end it prints its /proc/self/maps: callgrind
// names no file for code outside of the usual sections, but gives its address.
#include <sched.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kBatch = 1000;
constexpr size_t kThreadsMax = 64;

struct Setup {
  bool pairs;
  size_t threads;
  size_t rounds;
  size_t smallest;
  size_t largest;
  bool random_order;
};

// A barrier that enters no library: std::barrier and pthread's would lock in libc.
class Barrier {
 public:
  explicit Barrier(size_t threads) : threads_(threads) {}
  void wait() {
    const size_t round = round_.load();
    if (arrived_.fetch_add(1) + 1 == threads_) {
      arrived_.store(0);
      round_.store(round + 1);
      return;
    }
    while (round_.load() == round)
      sched_yield();
  }

 private:
  const size_t threads_;
  std::atomic<size_t> arrived_{0};
  std::atomic<size_t> round_{0};
};

void allocate(const Setup& setup, char** batch, Random& random) {
  for (size_t i = 0; i < kBatch; ++i)
    batch[i] = touched_block(random.between(setup.smallest, setup.largest));
  if (setup.random_order) shuffle(batch, kBatch, random);
}

void run_thread(const Setup& setup, size_t self, char** batches, Barrier& barrier) {
  const bool one_way = setup.pairs && setup.threads > 1;
  const bool allocates = !one_way || self % 2 == 0;
  const bool frees = !one_way || self % 2 == 1;
  char** const own = batches + self * kBatch;
  char** const others = batches + (self + setup.threads - 1) % setup.threads * kBatch;
  Random random(self + 1);
  for (size_t round = 0; round < setup.rounds; ++round) {
    if (allocates) allocate(setup, own, random);
    barrier.wait();
    for (size_t i = 0; frees && i < kBatch; ++i)
      free(others[i]);
    barrier.wait();
  }
}

void print_mappings() {
  char buffer[4096];
  FILE* const maps = fopen("/proc/self/maps", "r");
  if (maps == nullptr) return;
  for (size_t got = 0; (got = fread(buffer, 1, sizeof buffer, maps)) > 0;)
    fwrite(buffer, 1, got, stdout);
  fclose(maps);
}

}  // namespace

int main(int argc, char** argv) {
  const auto word = [&](int at, const char* wanted) { return argc == 7 && strcmp(argv[at], wanted) == 0; };
  const auto number = [&](int at) { return argc == 7 ? strtoul(argv[at], nullptr, 10) : 0; };
  const Setup setup{word(1, "pairs"), number(2), number(3), number(4), number(5), word(6, "random")};
  const bool known = (setup.pairs || word(1, "ring")) && (setup.random_order || word(6, "allocation"));
  const bool even = !setup.pairs || setup.threads == 1 || setup.threads % 2 == 0;
  if (!known || !even || setup.threads == 0 || setup.threads > kThreadsMax || setup.rounds == 0 ||
      setup.smallest == 0 || setup.largest < setup.smallest) {
    fprintf(stderr,
            "usage: handover pairs|ring THREADS ROUNDS SMALLEST LARGEST allocation|random\n"
            "THREADS: 1 to %zu, for pairs 1 or even\n",
            kThreadsMax);
    return 2;
  }
  char** const batches = mapped_array<char*>(setup.threads * kBatch);
  Barrier barrier(setup.threads);
  std::vector<std::thread> threads;
  for (size_t i = 1; i < setup.threads; ++i)
    threads.emplace_back([&, i] { run_thread(setup, i, batches, barrier); });
  run_thread(setup, 0, batches, barrier);
  for (std::thread& thread : threads)
    thread.join();
  print_mappings();
  return 0;
}
