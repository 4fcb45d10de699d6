// How many pages a forked child copies by using the heap, as a server does that forks to save its
// state or to serve a client: the parent has 200,000 live blocks of 200 B, allocated in turn with as
// many of 16 B to 1 KiB that stay live too; the child frees 4,000 of the former at random and
// allocates 1,000. An allocator that keeps its lists in the freed blocks copies a page for each.
//
//   fork_and_serve [LIVE [FREED [ALLOCATED]]]     (default 200000 4000 1000)
//
// at_fork: private dirty memory of the child before its first call; copied: what it grew by.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "support/memory.h"
#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kBytes = 200;

// The sum over all mappings.
size_t private_dirty_kib() { return read_kib_field("/proc/self/smaps_rollup", "Private_Dirty:"); }

void allocate_interleaved(char** blocks, size_t count, Random& random) {
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = touched_block(kBytes);
    touched_block(random.log_between(16, 1024));
  }
}

void serve(char** blocks, size_t freed, size_t allocated) {
  for (size_t i = 0; i < freed; ++i)
    free(blocks[i]);
  for (size_t i = 0; i < allocated; ++i)
    touched_block(kBytes);
}

size_t argument_or(int argc, char** argv, int index, size_t otherwise) {
  return argc > index ? strtoul(argv[index], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t live = argument_or(argc, argv, 1, 200'000);
  const size_t freed = argument_or(argc, argv, 2, 4'000);
  const size_t allocated = argument_or(argc, argv, 3, 1'000);
  if (freed > live) return 2;
  char** const blocks = mapped_array<char*>(live);
  Random random(1);
  allocate_interleaved(blocks, live, random);
  shuffle(blocks, live, random);

  // The parent waits: pages that it wrote meanwhile would become the child's own.
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    const size_t at_fork = private_dirty_kib();
    serve(blocks, freed, allocated);
    const size_t after = private_dirty_kib();
    char line[160];
    const int length = snprintf(line, sizeof line, "at_fork_mib=%.2f after_mib=%.2f copied_mib=%.2f\n",
                                static_cast<double>(at_fork) / 1024, static_cast<double>(after) / 1024,
                                (static_cast<double>(after) - static_cast<double>(at_fork)) / 1024);
    _exit(write(STDOUT_FILENO, line, static_cast<size_t>(length)) == length ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
