// What a thread that once used the heap costs while it sleeps: each of 1000 threads allocates and
// frees 300 blocks of 16 B to 1 KiB once, keeps one of 64 B, and sleeps.
//
//   sleeping_threads [THREADS [BLOCKS [LARGEST]]]     (default 1000 300 1024)
//
// The same threads without a call to the allocator run first, in a forked child: stack, thread
// descriptor and whatever the C library allocates for a thread cancel out of the difference.
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "support/memory.h"
#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kSmallest = 16;
constexpr size_t kKept = 64;
constexpr size_t kStack = 256 << 10;
constexpr size_t kBlocksMax = 4096;

struct Load {
  size_t threads;
  size_t blocks;
  size_t largest;
  bool allocates;
};

Load load;
std::atomic<size_t> asleep;
char** kept;

void use_heap(size_t index) {
  // Volatile, so that the twin touches the same pages of its stack.
  char* volatile blocks[kBlocksMax];
  Random random(index + 1);
  for (size_t i = 0; i < load.blocks; ++i) {
    const size_t size = random.log_between(kSmallest, load.largest);
    blocks[i] = load.allocates ? touched_block(size) : nullptr;
  }
  if (!load.allocates) return;
  kept[index] = touched_block(kKept);
  for (size_t i = 0; i < load.blocks; ++i)
    free(blocks[i]);
}

void* run_thread(void* argument) {
  use_heap(reinterpret_cast<size_t>(argument));
  asleep.fetch_add(1);
  for (;;)
    pause();
}

// KiB resident beyond the start with all threads asleep. They sleep until the process ends.
size_t resident_asleep() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  const timespec tenth = {0, 100'000'000};
  const size_t start = resident_kib();
  for (size_t i = 0; i < load.threads; ++i) {
    pthread_t handle;
    if (pthread_create(&handle, &attributes, run_thread, reinterpret_cast<void*>(i)) != 0) {
      perror("pthread_create");
      _exit(1);
    }
  }
  while (asleep.load() < load.threads)
    nanosleep(&tenth, nullptr);
  nanosleep(&tenth, nullptr);
  return resident_kib() - start;
}

size_t argument_or(int argc, char** argv, int index, size_t otherwise) {
  return argc > index ? strtoul(argv[index], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  load = {argument_or(argc, argv, 1, 1000), argument_or(argc, argv, 2, 300), argument_or(argc, argv, 3, 1024),
          false};
  if (load.threads == 0 || load.blocks > kBlocksMax || load.largest < kSmallest) return 2;
  kept = mapped_array<char*>(load.threads);
  // Shared with the child: where the twin leaves its reading.
  size_t* const twin = static_cast<size_t*>(
      mmap(nullptr, sizeof(size_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (twin == MAP_FAILED) return 1;

  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    *twin = resident_asleep();
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) return 1;

  load.allocates = true;
  const double threads = static_cast<double>(load.threads);
  const double with = static_cast<double>(resident_asleep());
  const double without = static_cast<double>(*twin);
  char line[160];
  const int length = snprintf(line, sizeof line, "with_kib=%.1f without_kib=%.1f per_thread_kib=%.1f\n",
                              with / threads, without / threads, (with - without) / threads);
  // The threads are still asleep: neither exit handlers nor stdio's lock are worth the wait.
  _exit(write(STDOUT_FILENO, line, static_cast<size_t>(length)) == length ? 0 : 1);
}
